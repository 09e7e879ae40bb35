//! The parser: JSON to a tree in memory of any allocator's, and back.

use std::error::Error;
use std::fmt::{self, Write as _};

use allocator_api2::alloc::Allocator;
use allocator_api2::collections::TryReserveError;
use allocator_api2::vec::Vec as In;

/// UTF-8: parts of the input, which is UTF-8, and the characters of its escapes.
pub type Text<A> = In<u8, A>;

/// A tree, whose lists and texts are in memory of the allocator.
pub enum Value<A: Allocator> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Text<A>),
    List(In<Value<A>, A>),
    Object(In<(Text<A>, Value<A>), A>),
}

/// The reason of a refusal.
#[derive(Debug, PartialEq)]
pub enum Reason {
    Expected(&'static str),
    TooDeep,
    /// The allocator has no room: take a larger block, and try again.
    Full,
}

/// Input that is no JSON, or has no room; and where.
#[derive(Debug, PartialEq)]
pub struct Refused {
    pub at: usize,
    pub reason: Reason,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Reason::Expected(what) => write!(f, "byte {}: expected {what}", self.at),
            Reason::TooDeep => write!(f, "byte {}: more than {DEPTH} levels", self.at),
            Reason::Full => write!(f, "byte {}: no room for the tree", self.at),
        }
    }
}

impl Error for Refused {}

/// Lists and objects inside each other; a limit, so that no input overflows the stack.
pub const DEPTH: usize = 100;

struct Parser<'i, A: Allocator> {
    input: &'i str,
    at: usize,
    depth: usize,
    by: A,
    /// Values of lists that are not complete yet, so that each list is allocated once, as long as it is.
    values: Vec<Value<A>>,
    members: Vec<(Text<A>, Value<A>)>,
}

/// The tree of `input`, in memory of `by`.
pub fn parse<A: Allocator + Copy>(input: &str, by: A) -> Result<Value<A>, Refused> {
    let mut parser = Parser {
        input,
        at: 0,
        depth: 0,
        by,
        values: Vec::new(),
        members: Vec::new(),
    };
    let value = parser.value()?;
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(parser.expected("the end")),
    }
}

impl<A: Allocator + Copy> Parser<'_, A> {
    fn refused(&self, reason: Reason) -> Refused {
        Refused {
            at: self.at,
            reason,
        }
    }

    fn expected(&self, what: &'static str) -> Refused {
        self.refused(Reason::Expected(what))
    }

    /// The byte at hand.
    fn byte(&self) -> Option<u8> {
        self.input.as_bytes().get(self.at).copied()
    }

    /// The byte at hand, past white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    fn eat(&mut self, byte: u8, what: &'static str) -> Result<(), Refused> {
        if self.peek() != Some(byte) {
            return Err(self.expected(what));
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self) -> Result<Value<A>, Refused> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            Some(b'"') => self.text().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.expected("a value")),
        }
    }

    fn word(&mut self, word: &'static str, value: Value<A>) -> Result<Value<A>, Refused> {
        if !self.input[self.at..].starts_with(word) {
            return Err(self.expected(word));
        }
        self.at += word.len();
        Ok(value)
    }

    fn nested(
        &mut self,
        parse: fn(&mut Self) -> Result<Value<A>, Refused>,
    ) -> Result<Value<A>, Refused> {
        if self.depth == DEPTH {
            return Err(self.refused(Reason::TooDeep));
        }
        self.depth += 1;
        self.at += 1;
        let value = parse(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn list(&mut self) -> Result<Value<A>, Refused> {
        let before = self.values.len();
        if self.peek() != Some(b']') {
            loop {
                let value = self.value()?;
                self.values.push(value);
                if self.peek() != Some(b',') {
                    break;
                }
                self.at += 1;
            }
        }
        self.eat(b']', "`,` or `]`")?;
        let mut list = In::new_in(self.by);
        let room = list.try_reserve_exact(self.values.len() - before);
        room.map_err(|_: TryReserveError| self.refused(Reason::Full))?;
        list.extend(self.values.drain(before..));
        Ok(Value::List(list))
    }

    fn object(&mut self) -> Result<Value<A>, Refused> {
        let before = self.members.len();
        if self.peek() != Some(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    return Err(self.expected("a name"));
                }
                let name = self.text()?;
                self.eat(b':', "`:`")?;
                let value = self.value()?;
                self.members.push((name, value));
                if self.peek() != Some(b',') {
                    break;
                }
                self.at += 1;
            }
        }
        self.eat(b'}', "`,` or `}`")?;
        let mut object = In::new_in(self.by);
        let room = object.try_reserve_exact(self.members.len() - before);
        room.map_err(|_: TryReserveError| self.refused(Reason::Full))?;
        object.extend(self.members.drain(before..));
        Ok(Value::Object(object))
    }

    /// A text grows as its parts are found. In a block it is the last allocation while it does, so
    /// it grows where it is.
    fn text(&mut self) -> Result<Text<A>, Refused> {
        self.at += 1;
        let mut text = In::new_in(self.by);
        loop {
            let rest = &self.input.as_bytes()[self.at..];
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
            let len = rest.iter().position(special).unwrap_or(rest.len());
            self.push(&mut text, &rest[..len])?;
            self.at += len;
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => self.escape(&mut text)?,
                _ => return Err(self.expected("`\"`")),
            }
        }
        self.at += 1;
        Ok(text)
    }

    fn push(&self, text: &mut Text<A>, bytes: &[u8]) -> Result<(), Refused> {
        let room = text.try_reserve_exact(bytes.len());
        room.map_err(|_: TryReserveError| self.refused(Reason::Full))?;
        text.extend_from_slice(bytes);
        Ok(())
    }

    fn escape(&mut self, text: &mut Text<A>) -> Result<(), Refused> {
        self.at += 1;
        let byte = self.byte().ok_or_else(|| self.expected("an escape"))?;
        let meant = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unit().and_then(|unit| self.scalar(unit))?,
            _ => return Err(self.expected("an escape")),
        };
        self.at += 1;
        self.push(text, meant.encode_utf8(&mut [0; 4]).as_bytes())
    }

    /// The four digits behind `u`; then the last of them is at hand.
    fn unit(&mut self) -> Result<u32, Refused> {
        let digits = self.input.get(self.at + 1..self.at + 5);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.expected("four digits"))?;
        self.at += 4;
        Ok(unit)
    }

    /// The character of a unit of UTF-16, with the second unit if this is the first of two.
    fn scalar(&mut self, unit: u32) -> Result<char, Refused> {
        let mut scalar = unit;
        if (0xd800..0xdc00).contains(&unit) && self.input[self.at + 1..].starts_with("\\u") {
            self.at += 2;
            let low = self.unit()?.wrapping_sub(0xdc00);
            // Anything else than a low one is no scalar, by its first half.
            scalar = if low < 0x400 {
                0x10000 + ((unit - 0xd800) << 10) + low
            } else {
                unit
            };
        }
        char::from_u32(scalar).ok_or_else(|| self.expected("a character"))
    }

    fn number(&mut self) -> Result<Value<A>, Refused> {
        let first = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        let leading = self.byte();
        if self.digits()? > 1 && leading == Some(b'0') {
            return Err(self.expected("a number without leading zeros"));
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let number = self.input[first..self.at].parse();
        number
            .map(Value::Number)
            .map_err(|_| self.expected("a number"))
    }

    fn digits(&mut self) -> Result<usize, Refused> {
        let rest = self.input.as_bytes()[self.at..].iter();
        let count = rest.take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 {
            Err(self.expected("a digit"))
        } else {
            Ok(count)
        }
    }
}

/// The tree as JSON again.
pub fn print<A: Allocator>(value: &Value<A>, out: &mut String) -> fmt::Result {
    match value {
        Value::Null => out.write_str("null"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Number(value) => write!(out, "{value}"),
        Value::Text(text) => quote(text, out),
        Value::List(list) => {
            for (at, value) in list.iter().enumerate() {
                out.push(if at == 0 { '[' } else { ',' });
                print(value, out)?;
            }
            out.write_str(if list.is_empty() { "[]" } else { "]" })
        }
        Value::Object(members) => {
            for (at, (name, value)) in members.iter().enumerate() {
                out.push(if at == 0 { '{' } else { ',' });
                quote(name, out)?;
                out.push(':');
                print(value, out)?;
            }
            out.write_str(if members.is_empty() { "{}" } else { "}" })
        }
    }
}

fn quote(text: &[u8], out: &mut String) -> fmt::Result {
    out.push('"');
    for c in std::str::from_utf8(text).map_err(|_| fmt::Error)?.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            '\0'..='\x1f' => write!(out, "\\u{:04x}", c as u32)?,
            _ => out.push(c),
        }
    }
    out.push('"');
    Ok(())
}
