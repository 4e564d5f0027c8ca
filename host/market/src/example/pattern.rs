//! Texts that a simple regular expression matches: letters, classes, groups, alternatives and
//! counts. What is beyond that has no text here; what is made here is not trusted but tried.

/// Longest text that is made, in characters: instructions are read by people.
const TEXT_MAX_LENGTH: usize = 200;

/// Deepest nesting that is followed.
const DEPTH_MAX: usize = 16;

/// Preferred characters, in this order, where any would do.
const PREFERRED: &str = "A1a-_ .0B2b5x9Z";

/// Up to `tries` different texts that the pattern may match, the plainest first.
pub(super) fn texts(pattern: &str, tries: usize) -> Vec<String> {
    let mut parser = Parser {
        rest: pattern,
        depth: 0,
    };
    let Some(node) = parser.choice().filter(|_| parser.rest.is_empty()) else {
        return Vec::new();
    };
    let mut texts: Vec<String> = Vec::new();
    for turn in 0..tries {
        let mut text = String::new();
        if node.write(turn, &mut text).is_some() && !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

#[derive(Debug)]
enum Node {
    /// One of these characters, the preferred first.
    One(Vec<char>),
    All(Vec<Node>),
    Either(Vec<Node>),
    /// So often at least, and whether it may be once more.
    Times(Box<Node>, usize, bool),
    /// Such as an anchor.
    Nothing,
}

impl Node {
    /// Adds a text; another one at each turn, as far as there are others.
    fn write(&self, turn: usize, out: &mut String) -> Option<()> {
        if out.len() > TEXT_MAX_LENGTH {
            return None;
        }
        match self {
            Self::Nothing => Some(()),
            Self::One(letters) => {
                out.push(*letters.get(turn % letters.len().max(1))?);
                Some(())
            }
            Self::All(parts) => parts.iter().try_for_each(|part| part.write(turn, out)),
            Self::Either(parts) => parts.get(turn % parts.len().max(1))?.write(turn, out),
            Self::Times(part, least, may_be_more) => {
                // What need not be there is shown once, as long as it may.
                let once_more = *may_be_more && (*least == 0) == turn.is_multiple_of(2);
                let times = least + usize::from(once_more);
                (0..times).try_for_each(|_| part.write(turn, out))
            }
        }
    }
}

/// Reads a pattern from its start; `None` is one that is not understood.
struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<char> {
        let mut letters = self.rest.chars();
        let letter = letters.next()?;
        self.rest = letters.as_str();
        Some(letter)
    }

    fn eat(&mut self, expected: &str) -> bool {
        let rest = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn choice(&mut self) -> Option<Node> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let mut parts = vec![self.sequence()?];
        while self.eat("|") {
            parts.push(self.sequence()?);
        }
        self.depth -= 1;
        Some(Node::Either(parts))
    }

    fn sequence(&mut self) -> Option<Node> {
        let mut parts = Vec::new();
        while !self.rest.is_empty() && !self.rest.starts_with(['|', ')']) {
            let part = self.part()?;
            parts.push(self.counted(part)?);
        }
        Some(Node::All(parts))
    }

    fn part(&mut self) -> Option<Node> {
        match self.next()? {
            '^' | '$' => Some(Node::Nothing),
            '.' => Some(Node::One(PREFERRED.chars().collect())),
            '[' => self.class(),
            '(' => {
                if self.eat("?P<") || (!self.rest.starts_with("?:") && self.eat("?<")) {
                    while self.next()? != '>' {}
                } else if !self.eat("?:") && self.rest.starts_with('?') {
                    return None;
                }
                let inner = self.choice()?;
                self.eat(")").then_some(inner)
            }
            '\\' => match self.next()? {
                'A' | 'z' | 'b' => Some(Node::Nothing),
                escaped => set(escaped).map(Node::One),
            },
            '*' | '+' | '?' | '{' => None,
            letter => Some(Node::One(vec![letter])),
        }
    }

    /// How often the part before comes.
    fn counted(&mut self, part: Node) -> Option<Node> {
        let (least, more) = if self.eat("*") {
            (0, true)
        } else if self.eat("+") {
            (1, true)
        } else if self.eat("?") {
            (0, true)
        } else if self.eat("{") {
            let (range, rest) = self.rest.split_once('}')?;
            self.rest = rest;
            let (least, most) = range.split_once(',').unwrap_or((range, range));
            let least = least.trim().parse().ok()?;
            let more = match most.trim() {
                "" => true,
                most => most.parse::<usize>().ok()? > least,
            };
            (least, more)
        } else {
            return Some(part);
        };
        if least > TEXT_MAX_LENGTH {
            return None;
        }
        // Whether it takes much or little is the same to a text that it matches whole.
        self.eat("?");
        Some(Node::Times(Box::new(part), least, more))
    }

    /// `[…]`, after its bracket.
    fn class(&mut self) -> Option<Node> {
        let negated = self.eat("^");
        let mut letters = Vec::new();
        // A bracket that comes first closes nothing.
        if self.eat("]") {
            letters.push(']');
        }
        while !self.eat("]") {
            let from = match self.next()? {
                '[' => return None,
                '\\' => match self.next()? {
                    sort @ ('d' | 'w' | 's') => {
                        letters.extend(set(sort)?);
                        continue;
                    }
                    escaped => *set(escaped)?.first()?,
                },
                plain => plain,
            };
            if !self.rest.starts_with("-]") && self.eat("-") {
                let to = match self.next()? {
                    '\\' => *set(self.next()?)?.first()?,
                    '[' => return None,
                    plain => plain,
                };
                letters.extend((from..=to).take(128));
            } else {
                letters.push(from);
            }
        }
        if negated {
            letters = PREFERRED
                .chars()
                .filter(|letter| !letters.contains(letter))
                .collect();
        }
        (!letters.is_empty()).then_some(Node::One(letters))
    }
}

/// What an escaped letter stands for.
fn set(escaped: char) -> Option<Vec<char>> {
    Some(match escaped {
        'd' => "1205".chars().collect(),
        'w' => "A1a_".chars().collect(),
        's' => vec![' '],
        'D' | 'S' => vec!['A', 'x', '-'],
        'W' => vec!['-', ' '],
        't' => vec!['\t'],
        'n' => vec!['\n'],
        mark if !mark.is_alphanumeric() => vec![mark],
        _ => return None,
    })
}
