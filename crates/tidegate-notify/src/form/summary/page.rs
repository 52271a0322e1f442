//! Tables as text and as HTML.

use super::ROWS_MAX;
use super::sections::{Row, Section};
use crate::form::text::{self, Language, escape};

/// What draws a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bars {
    /// Coloured blocks, which mail clients show.
    Blocks,
    /// SVG, which mail clients drop.
    Svg,
}

pub(super) fn text(title: &str, sections: &[Section]) -> String {
    let mut out = vec![format!("{title}\n")];
    for section in sections {
        out.push(format!("\n== {} ==\n", section.title));
        if section.rows.is_empty() {
            out.push(format!("{}\n", section.none));
        }
        for row in section.rows.iter().take(ROWS_MAX) {
            let cells = section.columns.iter().zip(&row.cells);
            let pairs: Vec<String> = cells
                .filter(|(_, cell)| !cell.is_empty())
                .map(|(column, cell)| format!("{column}: {cell}"))
                .collect();
            out.push(format!("- {}\n", pairs.join(" | ")));
        }
        if let Some(hidden) = hidden(section) {
            out.push(format!("… +{hidden}\n"));
        }
    }
    out.concat()
}

pub(super) fn html(title: &str, language: Language, sections: &[Section], bars: Bars) -> String {
    let mut out = vec![format!(
        "<div lang=\"{}\">\n<h2>{}</h2>\n",
        language.tag(),
        escape(title)
    )];
    for section in sections {
        out.push(html_section(section, language, bars));
    }
    out.push("</div>\n".to_owned());
    out.concat()
}

fn html_section(section: &Section, language: Language, bars: Bars) -> String {
    let mut out = vec![format!("<h3>{}</h3>\n", section.title)];
    if section.rows.is_empty() {
        out.push(format!("<p>{}</p>\n", section.none));
        return out.concat();
    }
    let has_bars = section.rows.iter().any(|row| row.bar.is_some());
    out.push("<table style=\"border-collapse:collapse\">\n<tr>".to_owned());
    for column in &section.columns {
        out.push(format!(
            "<th align=\"left\" style=\"padding:2px 1em 2px 0\">{column}</th>"
        ));
    }
    let end = if has_bars {
        "<th></th></tr>\n"
    } else {
        "</tr>\n"
    };
    out.push(end.to_owned());
    for row in section.rows.iter().take(ROWS_MAX) {
        out.push(html_row(row, has_bars, bars));
    }
    out.push("</table>\n".to_owned());
    if let Some(hidden) = hidden(section) {
        out.push(format!(
            "<p>{}</p>\n",
            escape(&text::more(hidden, language))
        ));
    }
    out.concat()
}

fn html_row(row: &Row, has_bars: bool, bars: Bars) -> String {
    let mut out = vec!["<tr>".to_owned()];
    for cell in &row.cells {
        out.push(format!(
            "<td style=\"padding:2px 1em 2px 0\">{}</td>",
            escape(cell)
        ));
    }
    if has_bars {
        let bar = row.bar.map(|share| bar(share, bars)).unwrap_or_default();
        out.push(format!("<td style=\"width:120px\">{bar}</td>"));
    }
    out.push("</tr>\n".to_owned());
    out.concat()
}

/// A bar of at most 120 pixels; above its limit it is full and red.
fn bar(share: f64, bars: Bars) -> String {
    let colour = if share > 1.0 { "#b00020" } else { "#2f5d8a" };
    let width = (share.clamp(0.0, 1.0) * 120.0).round();
    let width = if width.is_nan() { 0.0 } else { width };
    let percent = text::number((share * 100.0).round());
    match bars {
        Bars::Blocks => format!(
            "<div style=\"background:{colour};height:10px;width:{width}px\" title=\"{percent} %\"></div>"
        ),
        Bars::Svg => format!(
            "<svg width=\"120\" height=\"10\" role=\"img\" aria-label=\"{percent} %\">\
             <rect width=\"120\" height=\"10\" fill=\"#e6e6e6\"/>\
             <rect width=\"{width}\" height=\"10\" fill=\"{colour}\"/></svg>"
        ),
    }
}

fn hidden(section: &Section) -> Option<usize> {
    let hidden = section.rows.len().saturating_sub(ROWS_MAX);
    (hidden > 0).then_some(hidden)
}
