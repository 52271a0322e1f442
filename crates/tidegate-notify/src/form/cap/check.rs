//! What a message has to keep beyond the schema, which allows an open polygon, a space in an
//! identifier, and a warning without an end.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::config::is_forbidden;

/// A rule that a message breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("CAP element {element}: {problem}")]
pub struct CapFault {
    /// The element, as a path such as `alert/info[1]/area/polygon`.
    pub element: String,
    /// What is wrong, with the value.
    pub problem: String,
}

/// Checks a message against the standard's rules in words.
///
/// # Errors
/// Every [`CapFault`] found, in the order of the document.
pub fn check(xml: &[u8]) -> Result<(), Vec<CapFault>> {
    let mut faults = Faults(Vec::new());
    match leaves(xml) {
        Err(problem) => faults.add("alert", problem),
        Ok(leaves) => {
            check_head(&leaves, &mut faults);
            check_infos(&leaves, &mut faults);
        }
    }
    if faults.0.is_empty() {
        Ok(())
    } else {
        Err(faults.0)
    }
}

struct Faults(Vec<CapFault>);

impl Faults {
    fn add(&mut self, element: &str, problem: impl Into<String>) {
        self.0.push(CapFault {
            element: element.to_owned(),
            problem: problem.into(),
        });
    }
}

/// An element with text only: its path and its text. Blocks of `info` are numbered from 1.
pub(super) type Leaf = (String, String);

pub(super) fn leaves(xml: &[u8]) -> Result<Vec<Leaf>, String> {
    let mut reader = Reader::from_reader(xml);
    reader.config_mut().check_end_names = true;
    let mut path: Vec<String> = Vec::new();
    let mut text = String::new();
    let (mut leaves, mut infos, mut is_leaf) = (Vec::new(), 0, false);
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
                infos += usize::from(name == "info");
                path.push(if name == "info" {
                    format!("info[{infos}]")
                } else {
                    name
                });
                text.clear();
                is_leaf = true;
            }
            Event::Text(part) => text += &part.decode().map_err(|error| error.to_string())?,
            Event::GeneralRef(entity) => {
                let entity = entity.decode().map_err(|error| error.to_string())?;
                text += match entity.as_ref() {
                    "lt" => "<",
                    "gt" => ">",
                    "amp" => "&",
                    "quot" => "\"",
                    "apos" => "'",
                    _ => "\u{fffd}",
                };
            }
            Event::End(_) => {
                if is_leaf {
                    leaves.push((path.join("/"), text.trim().to_owned()));
                }
                path.pop();
                is_leaf = false;
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if path.is_empty() && !leaves.is_empty() {
        Ok(leaves)
    } else {
        Err("the document ends early".to_owned())
    }
}

pub(super) fn find<'a>(leaves: &'a [Leaf], path: &str) -> Option<&'a str> {
    let found = leaves.iter().find(|(at, _)| at == path);
    found.map(|(_, text)| text.as_str())
}

fn check_head(leaves: &[Leaf], faults: &mut Faults) {
    for name in ["identifier", "sender"] {
        let path = format!("alert/{name}");
        let text = find(leaves, &path).unwrap_or_default();
        if text.is_empty() || text.chars().any(is_forbidden) {
            faults.add(
                &path,
                format!("{text:?} is empty or has a space, comma, < or &"),
            );
        }
    }
    check_time(leaves, "alert/sent", faults);
    let message_type = find(leaves, "alert/msgType").unwrap_or_default();
    let references = find(leaves, "alert/references").unwrap_or_default();
    if matches!(message_type, "Update" | "Cancel") && references.is_empty() {
        faults.add(
            "alert/references",
            format!("msgType {message_type} refers to nothing"),
        );
    }
    for triple in references.split_whitespace() {
        let parts: Vec<&str> = triple.split(',').collect();
        let is_triple = matches!(parts[..], [sender, id, sent]
            if !sender.is_empty() && !id.is_empty() && is_time(sent));
        if !is_triple {
            faults.add(
                "alert/references",
                format!("{triple:?} is not sender,identifier,sent"),
            );
        }
    }
    let needed = match find(leaves, "alert/scope").unwrap_or_default() {
        "Restricted" => "alert/restriction",
        "Private" => "alert/addresses",
        _ => return,
    };
    if find(leaves, needed).unwrap_or_default().is_empty() {
        faults.add(needed, "missing for this scope");
    }
}

fn check_infos(leaves: &[Leaf], faults: &mut Faults) {
    let mut n = 0;
    loop {
        let info = format!("alert/info[{}]", n + 1);
        let inside = format!("{info}/");
        if !leaves.iter().any(|(path, _)| path.starts_with(&inside)) {
            break;
        }
        n += 1;
        for name in ["effective", "onset", "expires"] {
            check_time(leaves, &format!("{info}/{name}"), faults);
        }
        for name in ["headline", "description", "area/areaDesc", "event"] {
            let path = format!("{info}/{name}");
            if find(leaves, &path).unwrap_or_default().is_empty() {
                faults.add(&path, "missing");
            }
        }
        let polygon = format!("{info}/area/polygon");
        for (path, text) in leaves {
            if *path == polygon
                && let Err(problem) = check_polygon(text)
            {
                faults.add(path, problem);
            }
        }
    }
    if n == 0 {
        faults.add("alert/info", "missing");
    }
}

fn check_time(leaves: &[Leaf], path: &str, faults: &mut Faults) {
    let text = find(leaves, path).unwrap_or_default();
    if !is_time(text) {
        faults.add(path, format!("{text:?} is not YYYY-MM-DDThh:mm:ss+hh:mm"));
    }
}

/// Whole seconds and an offset; for UTC that is `-00:00`.
fn is_time(text: &str) -> bool {
    let shape = b"dddd-dd-ddTdd:dd:dd+dd:dd";
    let fits = text.len() == shape.len()
        && text.bytes().zip(shape).all(|(found, wanted)| match wanted {
            b'd' => found.is_ascii_digit(),
            b'+' => matches!(found, b'+' | b'-'),
            &other => found == other,
        });
    fits && !text.ends_with("+00:00") && text.parse::<jiff::Timestamp>().is_ok()
}

/// Four corners or more, the last being the first, latitude before longitude, both in range.
fn check_polygon(text: &str) -> Result<(), String> {
    let corners: Vec<&str> = text.split_whitespace().collect();
    if corners.len() < 4 {
        return Err(format!("{} corners are fewer than 4", corners.len()));
    }
    for corner in &corners {
        let parts = corner.split_once(',');
        let degrees =
            parts.and_then(|(lat, lng)| Some((lat.parse::<f64>().ok()?, lng.parse::<f64>().ok()?)));
        match degrees {
            Some((lat, lng)) if lat.abs() <= 90.0 && lng.abs() <= 180.0 => {}
            _ => return Err(format!("{corner:?} is not latitude,longitude in degrees")),
        }
    }
    if corners.first() != corners.last() {
        return Err("the last corner is not the first".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "<info><event>e</event><effective>2026-11-26T18:00:00+08:00</effective>\
        <onset>2026-11-26T18:00:00+08:00</onset><expires>2026-11-26T19:00:00+08:00</expires>\
        <headline>h</headline><description>d</description><area><areaDesc>a</areaDesc>\
        <polygon>1,2 1,3 2,3 1,2</polygon></area></info>";

    fn document(replace: &str, with: &str) -> String {
        let head = "<identifier>n.1</identifier><sender>s@x</sender>\
            <sent>2026-11-26T10:00:00-00:00</sent><msgType>Update</msgType>\
            <scope>Restricted</scope><restriction>duty</restriction>\
            <references>s@x,n.0,2026-11-26T17:00:00+08:00</references>";
        format!("<alert>{head}{INFO}</alert>").replace(replace, with)
    }

    #[test]
    fn each_broken_rule_is_named() {
        assert_eq!(check(document("", "").as_bytes()), Ok(()));
        let cases = [
            ("n.1", "n 1", "alert/identifier"),
            ("<sender>s@x", "<sender>s,x", "alert/sender"),
            ("10:00:00-00:00", "10:00:00Z", "alert/sent"),
            ("10:00:00-00:00", "10:00:00.5-00:00", "alert/sent"),
            ("10:00:00-00:00", "10:00:00+00:00", "alert/sent"),
            ("s@x,n.0,2026-11-26T17:00:00+08:00", "", "alert/references"),
            ("s@x,n.0,", "s@x,", "alert/references"),
            ("<restriction>duty</restriction>", "", "alert/restriction"),
            ("19:00:00+08:00", "", "alert/info[1]/expires"),
            ("<headline>h</headline>", "", "alert/info[1]/headline"),
            ("2,3 1,2", "2,3 1,4", "alert/info[1]/area/polygon"),
            (
                "1,2 1,3 2,3 1,2",
                "1,2 1,3 1,2",
                "alert/info[1]/area/polygon",
            ),
            (
                "1,2 1,3 2,3 1,2",
                "91,2 1,3 2,3 91,2",
                "alert/info[1]/area/polygon",
            ),
            ("1,2 1,3 2,3 1,2", "1 2 3 1", "alert/info[1]/area/polygon"),
            (INFO, "", "alert/info"),
            ("</alert>", "", "alert"),
        ];
        for (replace, with, element) in cases {
            let faults = check(document(replace, with).as_bytes()).unwrap_err();
            assert_eq!(
                faults[0].element, element,
                "{replace} -> {with}: {faults:?}"
            );
        }
    }
}
