//! A small reader of `.proto` files: messages, their fields, enums.

use crate::check::shown;

/// How deep messages may stand within messages.
const DEPTH_MAX: usize = 32;

/// Whether a field may be there several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    Single,
    Repeated,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) label: Label,
    /// The type as it is written; `map` for a map.
    pub(super) kind: String,
    pub(super) name: String,
    number: u64,
}

#[derive(Debug)]
struct Enum {
    name: String,
    values: Vec<(String, u64)>,
}

#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
    pub(super) messages: Vec<Self>,
    enums: Vec<Enum>,
}

impl Message {
    pub(super) fn field(&self, number: u64) -> Option<&Field> {
        self.fields.iter().find(|field| field.number == number)
    }
}

/// What stands at the top of a file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) messages: Vec<Message>,
    enums: Vec<Enum>,
}

impl File {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut tokens = Tokens { rest: text };
        let mut top = Message::default();
        read_body(&mut tokens, &mut top, 0)?;
        Ok(Self {
            messages: top.messages,
            enums: top.enums,
        })
    }

    /// The message that `within` means by the type `kind`: one of its own, else one of the file.
    pub(super) fn message<'f>(&'f self, within: &'f Message, kind: &str) -> Option<&'f Message> {
        let name = kind.rsplit('.').next()?;
        let all = within.messages.iter().chain(&self.messages);
        all.into_iter().find(|message| message.name == name)
    }

    /// The names and numbers of the enum that `within` means by the type `kind`.
    pub(super) fn values<'f>(
        &'f self,
        within: &'f Message,
        kind: &str,
    ) -> Option<&'f [(String, u64)]> {
        let name = kind.rsplit('.').next()?;
        let mut all = within.enums.iter().chain(&self.enums);
        let found = all.find(|one| one.name == name)?;
        Some(&found.values)
    }
}

/// Words, and single characters of punctuation; without comments and the insides of texts.
struct Tokens<'t> {
    rest: &'t str,
}

fn wrong(what: &str) -> String {
    format!("is not a .proto file that can be read: {what}")
}

impl<'t> Tokens<'t> {
    fn next(&mut self) -> Result<Option<&'t str>, String> {
        loop {
            self.rest = self.rest.trim_start();
            if let Some(comment) = self.rest.strip_prefix("//") {
                self.rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                let closed = comment.split_once("*/");
                self.rest = closed
                    .ok_or_else(|| wrong("a comment that is not closed"))?
                    .1;
            } else {
                break;
            }
        }
        let Some(first) = self.rest.chars().next() else {
            return Ok(None);
        };
        let len = if matches!(first, '"' | '\'') {
            text_len(self.rest, first).ok_or_else(|| wrong("a text that is not closed"))?
        } else {
            let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
            match self.rest.find(|c| !word(c)).unwrap_or(self.rest.len()) {
                0 => first.len_utf8(),
                len => len,
            }
        };
        let (token, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(Some(token))
    }

    fn need(&mut self) -> Result<&'t str, String> {
        self.next()?.ok_or_else(|| wrong("it ends too early"))
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        match self.need()? {
            token if token == wanted => Ok(()),
            token => Err(wrong(&format!(
                "{} where {wanted} is expected",
                shown(token)
            ))),
        }
    }

    fn number(&mut self) -> Result<u64, String> {
        let token = self.need()?;
        let number = match token.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => token.parse(),
        };
        number.map_err(|_| wrong(&format!("{} where a number is expected", shown(token))))
    }

    /// Passes over the rest of a statement: up to its semicolon, or a block.
    fn skip(&mut self) -> Result<(), String> {
        let mut depth = 0_usize;
        loop {
            match self.need()? {
                "{" | "[" | "(" => depth += 1,
                "}" if depth == 1 => return Ok(()),
                "}" | "]" | ")" => depth = depth.saturating_sub(1),
                ";" if depth == 0 => return Ok(()),
                _ => {}
            }
        }
    }
}

/// The length of a text with its quotes.
fn text_len(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    rest.char_indices().skip(1).find_map(|(at, c)| {
        let end = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        end.then_some(at + 1)
    })
}

/// Reads what stands in a message, or (at depth 0) in a file.
fn read_body(tokens: &mut Tokens<'_>, into: &mut Message, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(wrong(&format!("messages more than {DEPTH_MAX} deep")));
    }
    loop {
        let Some(token) = tokens.next()? else {
            return if depth == 0 {
                Ok(())
            } else {
                Err(wrong("it ends too early"))
            };
        };
        match token {
            "}" if depth > 0 => return Ok(()),
            ";" => {}
            "message" => {
                let mut message = Message {
                    name: tokens.need()?.to_owned(),
                    ..Message::default()
                };
                tokens.expect("{")?;
                read_body(tokens, &mut message, depth + 1)?;
                into.messages.push(message);
            }
            "enum" => into.enums.push(read_enum(tokens)?),
            "oneof" if depth > 0 => {
                tokens.need()?;
                tokens.expect("{")?;
                // Its fields are fields of the message.
                read_body(tokens, into, depth + 1)?;
            }
            "syntax" | "edition" | "package" | "import" | "option" | "extend" | "service"
            | "reserved" | "extensions" => tokens.skip()?,
            token if depth > 0 => into.fields.push(read_field(token, tokens)?),
            token => return Err(wrong(&format!("{} at the top", shown(token)))),
        }
    }
}

fn read_field(first: &str, tokens: &mut Tokens<'_>) -> Result<Field, String> {
    let label = match first {
        "repeated" => Label::Repeated,
        _ => Label::Single,
    };
    let mut kind = match first {
        "repeated" | "optional" | "required" => tokens.need()?,
        kind => kind,
    };
    if kind == "map" {
        while tokens.need()? != ">" {}
        kind = "map";
    }
    let name = tokens.need()?.to_owned();
    tokens.expect("=")?;
    let number = tokens.number()?;
    tokens.skip()?;
    Ok(Field {
        label,
        kind: kind.to_owned(),
        name,
        number,
    })
}

fn read_enum(tokens: &mut Tokens<'_>) -> Result<Enum, String> {
    let name = tokens.need()?.to_owned();
    tokens.expect("{")?;
    let mut values = Vec::new();
    loop {
        match tokens.need()? {
            "}" => return Ok(Enum { name, values }),
            ";" => {}
            "option" | "reserved" => tokens.skip()?,
            value => {
                tokens.expect("=")?;
                if tokens.rest.trim_start().starts_with('-') {
                    // A negative number is none of ours.
                    tokens.skip()?;
                    continue;
                }
                values.push((value.to_owned(), tokens.number()?));
                tokens.skip()?;
            }
        }
    }
}
