//! `application/x-www-form-urlencoded`, read strictly: a browser would let a broken escape
//! stand as it is and replace what is no UTF-8; a lead is worth an error.

use std::collections::HashSet;

use super::problem::Problem;

/// The pairs of a form, decoded, in their order. A name comes once and is not empty.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    let mut pairs = Vec::new();
    let mut names = HashSet::new();
    let mut column = 1;
    for pair in bytes.split(|byte| *byte == b'&') {
        let here = column;
        column += pair.len() + 1;
        if pair.is_empty() {
            continue;
        }
        let fault =
            |what: &str| Problem::malformed(format!("{what} in the pair at line 1 column {here}"));
        let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (
                pair.get(..at).unwrap_or_default(),
                pair.get(at + 1..).unwrap_or_default(),
            ),
            None => (pair, &b""[..]),
        };
        let (name, value) = (decode(name).map_err(fault)?, decode(value).map_err(fault)?);
        if name.is_empty() {
            return Err(fault("a value without a name"));
        }
        if !names.insert(name.clone()) {
            return Err(fault("a name that comes twice"));
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// One name or value.
fn decode(encoded: &[u8]) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || {
                    rest.next()
                        .and_then(|byte| char::from(*byte).to_digit(16))
                        .and_then(|digit| u8::try_from(digit).ok())
                };
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err("a % without two hexadecimal digits");
                };
                high << 4 | low
            }
            plain => *plain,
        });
    }
    String::from_utf8(bytes).map_err(|_| "invalid UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &[u8]) -> String {
        parse(text).unwrap_err().said().to_owned()
    }

    #[test]
    fn a_form_is_decoded_in_its_order() {
        let pairs = parse(b"zip=90210&first_name=J%C3%B6rg+A%2BB&&empty=&bare").unwrap();
        let expected = [
            ("zip", "90210"),
            ("first_name", "Jörg A+B"),
            ("empty", ""),
            ("bare", ""),
        ];
        assert_eq!(
            pairs,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(parse(b"").unwrap(), []);
    }

    #[test]
    fn what_is_broken_is_malformed() {
        assert_eq!(
            fault(b"a=1&b=%4"),
            "a % without two hexadecimal digits in the pair at line 1 column 5"
        );
        assert_eq!(
            fault(b"a=%zz"),
            "a % without two hexadecimal digits in the pair at line 1 column 1"
        );
        assert_eq!(
            fault(b"a=%ff"),
            "invalid UTF-8 in the pair at line 1 column 1"
        );
        assert_eq!(
            fault(b"a=\xff"),
            "invalid UTF-8 in the pair at line 1 column 1"
        );
        assert_eq!(
            fault(b"a=1&=2"),
            "a value without a name in the pair at line 1 column 5"
        );
    }

    #[test]
    fn a_name_comes_once_however_it_is_spelled() {
        assert_eq!(
            fault(b"zip=1&z%69p=2"),
            "a name that comes twice in the pair at line 1 column 7"
        );
    }
}
