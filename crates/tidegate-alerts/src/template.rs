//! Texts with placeholders in braces.

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Name,
    Value,
    Lo,
    Hi,
    Unit,
    WindowEnd,
    Level,
}

const FIELDS: [(&str, Field); 7] = [
    ("name", Field::Name),
    ("value", Field::Value),
    ("lo", Field::Lo),
    ("hi", Field::Hi),
    ("unit", Field::Unit),
    ("window_end", Field::WindowEnd),
    ("level", Field::Level),
];

/// Stands where a placeholder has no value.
const NOTHING: &str = "–";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Field),
}

/// A checked text: every placeholder is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

/// What a template is filled with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filling<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Option<f64>,
    pub(crate) lo: Option<f64>,
    pub(crate) hi: Option<f64>,
    pub(crate) unit: &'a str,
    pub(crate) window_end: &'a str,
    pub(crate) level: Option<&'a str>,
}

impl Template {
    /// Reads a text; the error says what is wrong with it, for a person.
    pub(crate) fn try_new(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("is empty".to_owned());
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((word, after)) = after.split_once('}') else {
                return Err(format!("{text:?} has a brace that is not closed"));
            };
            let Some(&(_, field)) = FIELDS.iter().find(|(known, _)| *known == word) else {
                let known: Vec<String> = FIELDS.iter().map(|(w, _)| format!("{{{w}}}")).collect();
                let known = known.join(", ");
                return Err(format!(
                    "placeholder {{{word}}} in {text:?} is none of {known}"
                ));
            };
            pieces.push(Piece::Text(checked_text(text, before)?));
            pieces.push(Piece::Field(field));
            rest = after;
        }
        pieces.push(Piece::Text(checked_text(text, rest)?));
        Ok(Self(pieces))
    }

    /// Whether it has this placeholder.
    pub(crate) fn has(&self, field: Field) -> bool {
        self.0.contains(&Piece::Field(field))
    }

    /// The text with its placeholders filled; a value that is missing shows as a dash.
    pub(crate) fn fill(&self, filling: Filling<'_>) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Field(Field::Name) => text.push_str(filling.name),
                Piece::Field(Field::Value) => text.push_str(&number(filling.value)),
                Piece::Field(Field::Lo) => text.push_str(&number(filling.lo)),
                Piece::Field(Field::Hi) => text.push_str(&number(filling.hi)),
                Piece::Field(Field::Unit) => text.push_str(filling.unit),
                Piece::Field(Field::WindowEnd) => text.push_str(filling.window_end),
                Piece::Field(Field::Level) => text.push_str(filling.level.unwrap_or(NOTHING)),
            }
        }
        text
    }
}

fn checked_text(whole: &str, part: &str) -> Result<String, String> {
    if part.contains('}') {
        return Err(format!("{whole:?} has a brace that was not opened"));
    }
    Ok(part.to_owned())
}

/// A number for a person: three significant digits, whole from 100 on, without trailing zeros.
pub(crate) fn number(value: Option<f64>) -> String {
    let Some(value) = value else {
        return NOTHING.to_owned();
    };
    let size = value.abs();
    if size > 0.0 && size < 1e-6 {
        return format!("{value:.1e}");
    }
    let mut decimals = 0;
    let mut scale = 100.0;
    while size > 0.0 && size < scale {
        decimals += 1;
        scale /= 10.0;
    }
    let text = format!("{value:.decimals$}");
    let trimmed = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if trimmed == "-0" { "0" } else { trimmed }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let filling = Filling {
            name: "东门市场",
            value: Some(4.25),
            lo: Some(4.0),
            hi: None,
            unit: "persons/m²",
            window_end: "08:05",
            level: Some("F"),
        };
        match (Template::try_new(text), expected) {
            (Ok(template), Ok(expected)) => assert_eq!(template.fill(filling), expected),
            (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem}"),
            (got, expected) => panic!("{text:?}: {got:?}, not {expected:?}"),
        }
    }

    #[test]
    fn templates() {
        check("plain", Ok("plain"));
        check("{name}：{value} {unit}", Ok("东门市场：4.25 persons/m²"));
        check("{lo}–{hi}, {level} at {window_end}", Ok("4––, F at 08:05"));
        check(" ", Err("is empty"));
        check(
            "{valeu}",
            Err("placeholder {valeu} in \"{valeu}\" is none of {name}, {value}"),
        );
        check("{}", Err("placeholder {}"));
        check("{name", Err("not closed"));
        check("name}", Err("not opened"));
        check("} {name}", Err("not opened"));
    }

    #[test]
    fn numbers() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (4.256, "4.26"),
            (-4.256, "-4.26"),
            (99.96, "100"),
            (100.0, "100"),
            (1_234.5, "1234"),
            (20_000.0, "20000"),
            (0.5, "0.5"),
            (0.001_4, "0.0014"),
            (0.000_012_345, "0.0000123"),
            (0.000_000_12, "1.2e-7"),
        ] {
            assert_eq!(number(Some(value)), expected);
        }
        assert_eq!(number(None), "–");
    }
}
