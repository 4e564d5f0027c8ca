//! The shapes of which the configuration is made: places, plain values, ordered entries.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor, value::MapAccessDeserializer,
    },
};

/// Most steps of a JSON pointer. Bounds how deep a body is nested.
const POINTER_STEPS_MAX: usize = 8;

/// A place in a body: a name, or a JSON pointer (RFC 6901) where it begins with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Vec<String>);

impl Target {
    /// A name, whatever it begins with.
    pub fn named(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// A name or a pointer.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a place has a name".to_owned());
        }
        let Some(pointer) = text.strip_prefix('/') else {
            return Ok(Self::named(text));
        };
        let steps: Vec<String> = pointer
            .split('/')
            .map(|step| step.replace("~1", "/").replace("~0", "~"))
            .collect();
        if steps.len() > POINTER_STEPS_MAX {
            return Err(format!(
                "`{text}` is deeper than {POINTER_STEPS_MAX} levels"
            ));
        }
        Ok(Self(steps))
    }

    /// The pointer's steps; a name is one.
    pub fn steps(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [name] => f.write_str(name),
            steps => steps.iter().try_for_each(|step| write!(f, "/{step}")),
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(json)?).map_err(D::Error::custom)
    }
}

/// Most places at which one thing of an answer is looked for.
const PLACES_MAX: usize = 8;

/// Where something of an answer stands: one place, or several that are looked at in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places(pub Vec<Target>);

impl Places {
    /// These places, each a name or a pointer.
    pub fn parse(places: &[&str]) -> Result<Self, String> {
        if places.is_empty() || places.len() > PLACES_MAX {
            return Err(format!("between 1 and {PLACES_MAX} places are expected"));
        }
        let places = places.iter().map(|place| Target::parse(place));
        places.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, place) in self.0.iter().enumerate() {
            write!(f, "{}{place}", if at == 0 { "" } else { "` or `" })?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Places;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a place, or a list of places")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Places, E> {
                Places::parse(&[text]).map_err(E::custom)
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Places, S::Error> {
                let mut places = Vec::new();
                while let Some(place) = list.next_element::<Target>()? {
                    places.push(place);
                    if places.len() > PLACES_MAX {
                        break;
                    }
                }
                if places.is_empty() || places.len() > PLACES_MAX {
                    let message = format!("between 1 and {PLACES_MAX} places are expected");
                    return Err(S::Error::custom(message));
                }
                Ok(Places(places))
            }
        }

        json.deserialize_any(OneOrMore)
    }
}

/// An object's entries in the order in which they are written, each key once.
#[derive(Debug)]
pub struct Pairs<T>(pub Vec<(String, T)>);

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Pairs<T> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.0
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| value)
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Pairs<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut pairs = Pairs::default();
                while let Some((key, value)) = map.next_entry::<String, T>()? {
                    if pairs.get(&key).is_some() {
                        return Err(M::Error::custom(format!("`{key}` is named twice")));
                    }
                    pairs.0.push((key, value));
                }
                Ok(pairs)
            }
        }

        json.deserialize_map(Entries(PhantomData))
    }
}

/// A plain value of the configuration: text, `true`, `false` or a whole number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// Text.
    Text(String),
    /// As JSON writes it.
    Literal(String),
}

impl Scalar {
    /// The text, or the literal as it is written.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Literal(text) => text,
        }
    }
}

/// Reads a plain value, and optionally a table; whatever else there is gets one message.
struct ScalarOr<T> {
    expected: &'static str,
    table: PhantomData<T>,
}

/// A plain value, or a table of `T`.
pub(crate) enum Either<T> {
    Scalar(Scalar),
    Table(T),
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ScalarOr<T> {
    type Value = Either<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Either::Scalar(Scalar::Text(text.to_owned())))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Either::Scalar(Scalar::Literal(flag.to_string())))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Self::Value, E> {
        Ok(Either::Scalar(Scalar::Literal(integer.to_string())))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Self::Value, E> {
        Ok(Either::Scalar(Scalar::Literal(integer.to_string())))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(E::custom(
            "write a decimal as text, such as \"12.50\": its digits would not be kept",
        ))
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Either::Table)
    }
}

pub(crate) fn scalar_or<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    json: D,
    expected: &'static str,
) -> Result<Either<T>, D::Error> {
    json.deserialize_any(ScalarOr {
        expected,
        table: PhantomData,
    })
}

/// Where no table may stand.
enum Never {}

impl<'de> Deserialize<'de> for Never {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(json)?;
        Err(D::Error::invalid_type(Unexpected::Map, &"a plain value"))
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        match scalar_or::<Never, _>(json, "text, true, false or a whole number")? {
            Either::Scalar(scalar) => Ok(scalar),
            Either::Table(never) => match never {},
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_pointer_may_name_keys_with_slashes() {
        let target = Target::parse("/a~1b/~01").unwrap();
        assert_eq!(target.steps(), ["a/b", "~1"]);
    }
}
