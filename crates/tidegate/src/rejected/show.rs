//! `tidegate rejected show`: everything of one record, so that a person sees what is wrong with it.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::cli::RejectedShow;

use super::Print;
use super::select::Selection;
use super::source::{From, Next, Record};

/// Records of one message that are shown; a message may hold thousands.
const SHOWN_MAX: usize = 100;

/// Bytes of a line of a hex dump.
const HEX_LINE: usize = 16;

/// Runs the command.
pub(super) fn show(args: &RejectedShow, print: Print) -> Result<()> {
    let source = &args.source;
    let from = From::new(source.data.as_deref(), source.bootstrap.as_deref())?;
    let wanted = Selection::at(&args.position).by(args.by.as_deref());
    let mut shown: Vec<(Record, u64)> = Vec::new();
    let mut more = 0_u64;
    let found = from.read(&wanted, |record, _| {
        if let Some((_, times)) = shown.iter_mut().find(|(known, _)| *known == record) {
            *times += 1;
        } else if shown.len() < SHOWN_MAX {
            shown.push((record, 1));
        } else {
            more += 1;
        }
        Ok(Next::Read)
    })?;
    ensure!(!shown.is_empty(), "{}", found.nothing(&wanted, from));
    if args.json {
        let records: Vec<_> = shown
            .iter()
            .map(|(record, times)| json(record, *times))
            .collect();
        print(&serde_json::to_string_pretty(
            &serde_json::json!({ "records": records, "not_shown": more }),
        )?);
        return Ok(());
    }
    for (record, times) in &shown {
        print(text(record, *times, args.bytes).trim_end());
    }
    if more > 0 {
        print(&format!(
            "and {more} further rows of this message; add a row: {}/ROW",
            args.position
        ));
    }
    Ok(())
}

fn json(record: &Record, times: u64) -> serde_json::Value {
    let bytes = record.bytes.as_deref();
    serde_json::json!({
        "position": record.place().to_string(), "feed": record.feed, "partition": record.partition,
        "offset": record.offset, "row": record.row, "reason": record.reason,
        "detail": record.detail, "site": record.site, "rows": times,
        "bytes": bytes.map(|bytes| BASE64_STANDARD.encode(bytes)),
        "text": bytes.and_then(|bytes| str::from_utf8(bytes).ok()),
        "why_no_bytes": record.why_no_bytes(),
    })
}

fn text(record: &Record, times: u64, bytes_max: usize) -> String {
    let mut text = format!("{}\n", record.place());
    let mut line = |name: &str, value: &str| {
        writeln!(text, "  {name:<7} {value}").expect("text takes what is written");
    };
    line("reason", &record.reason);
    line("detail", &escaped(&record.detail));
    if let Some(site) = &record.site {
        line("site", &escaped(site));
    }
    if times > 1 {
        line(
            "rows",
            &format!("{times} times: by several runs, or for several of its counts"),
        );
    }
    match (&record.bytes, record.why_no_bytes()) {
        (Some(bytes), _) => text + &shown_bytes(bytes, bytes_max),
        (None, why) => {
            line("bytes", &why.unwrap_or_default());
            text
        }
    }
}

/// The bytes as text where they are UTF-8, else as a hex dump, at most `bytes_max` of them.
fn shown_bytes(bytes: &[u8], bytes_max: usize) -> String {
    let all = bytes.len();
    let mut kept = all.min(bytes_max);
    let mut lines = Vec::new();
    if let Ok(text) = str::from_utf8(bytes) {
        kept = text.floor_char_boundary(kept);
        lines.push(format!("  bytes   {all} of text"));
        let shown = text[..kept].split('\n');
        lines.extend(shown.map(|line| format!("    {}", escaped(line))));
    } else {
        lines.push(format!("  bytes   {all} that are not UTF-8"));
        let shown = bytes[..kept].chunks(HEX_LINE).enumerate();
        lines.extend(shown.map(|(index, line)| hex_line(index * HEX_LINE, line)));
    }
    if kept < all {
        let cut = all - kept;
        lines.push(format!(
            "    … {cut} bytes more are not shown; --bytes {all} shows all"
        ));
    }
    lines.join("\n") + "\n"
}

fn hex_line(offset: usize, bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let plain = bytes.iter().map(|byte| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '.',
    });
    let plain: String = plain.collect();
    format!("    {offset:08x}  {:<47}  {plain}", hex.join(" "))
}

/// Text that cannot move the cursor, colour the terminal or turn the direction of reading.
pub(super) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(
            c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        );
        if c.is_control() || turns {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], bytes_max: usize, expected: &str) {
        assert_eq!(shown_bytes(bytes, bytes_max), expected);
    }

    #[test]
    fn bytes_are_text_where_they_can_be() {
        check(
            "a,\"b\"\r\n北".as_bytes(),
            99,
            "  bytes   10 of text\n    a,\"b\"\\r\n    北\n",
        );
        check(b"\x1b[2Jx", 99, "  bytes   5 of text\n    \\u{1b}[2Jx\n");
        check(b"", 99, "  bytes   0 of text\n    \n");
        check(
            b"\xff\x00 a",
            99,
            "  bytes   4 that are not UTF-8\n    00000000  ff 00 20 61                                      .. a\n",
        );
    }

    #[test]
    fn long_bytes_are_cut_between_characters_and_say_so() {
        check(
            "北站".as_bytes(),
            4,
            "  bytes   6 of text\n    北\n    … 3 bytes more are not shown; --bytes 6 shows all\n",
        );
        let shown = shown_bytes(&[0xff; 100], 20);
        assert_eq!(shown.lines().count(), 4, "{shown}");
        assert!(shown.contains("… 80 bytes more"), "{shown}");
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_printed() {
        assert_eq!(escaped("a\u{202e}b\u{7}\tc"), "a\\u{202e}b\\u{7}\\tc");
        assert_eq!(escaped("\"x\\y\" 北"), "\"x\\y\" 北");
    }
}
