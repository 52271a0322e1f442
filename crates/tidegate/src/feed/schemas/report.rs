//! What was found out of a feed's schemas, and how it is told.

use std::collections::BTreeSet;

use tidegate_feeds::AcceptedSchemas;

/// Whether a feed can read the messages of a schema.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "reading", content = "why", rename_all = "snake_case")]
pub(super) enum Reading {
    Good,
    /// Everything that does not fit.
    Bad(Vec<String>),
    /// The registry has no such schema.
    Unknown,
}

/// One version of a subject.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct SubjectVersion {
    pub(super) version: u32,
    pub(super) id: u32,
    /// What the registry calls `schemaType`.
    pub(super) kind: String,
    #[serde(flatten)]
    pub(super) reading: Reading,
}

/// One of the ids in a feed's file.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct ListedId {
    pub(super) id: u32,
    pub(super) is_of_subject: bool,
    #[serde(flatten)]
    pub(super) reading: Reading,
}

/// A feed and its schemas.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct FeedReport {
    pub(super) feed: String,
    pub(super) subject: String,
    /// Whether the registry has the subject.
    pub(super) is_known: bool,
    /// How many older versions were not looked at.
    pub(super) older: usize,
    pub(super) versions: Vec<SubjectVersion>,
    /// The ids in the feed's file; `None` where it accepts every id.
    pub(super) schema_ids: Option<Vec<ListedId>>,
    /// The ids to accept: those of versions and of the file that the feed can read. Ids of the file
    /// stay although no version has them any more: records with them may be in the topic.
    pub(super) proposed: BTreeSet<u32>,
}

impl FeedReport {
    /// Fills in [`Self::proposed`]: the largest ids, as many as a file may list, since ids grow.
    pub(super) fn propose(mut self) -> Self {
        let versions = self.versions.iter().map(|one| (one.id, &one.reading));
        let listed = self.schema_ids.iter().flatten();
        let listed = listed.map(|one| (one.id, &one.reading));
        let good = versions
            .chain(listed)
            .filter(|(_, reading)| **reading == Reading::Good);
        let good: BTreeSet<u32> = good.map(|(id, _)| id).collect();
        let newest = good.into_iter().rev().take(AcceptedSchemas::IDS_MAX);
        self.proposed = newest.collect();
        self
    }

    /// Whether the registry knows the subject, the feed can read something, and its file accepts
    /// nothing that it cannot read.
    pub(super) fn is_good(&self) -> bool {
        let mut listed = self.schema_ids.iter().flatten();
        self.is_known && !self.proposed.is_empty() && listed.all(|one| one.reading == Reading::Good)
    }

    /// The report in lines, with the line for the feed's file as the last.
    pub(super) fn lines(&self) -> Vec<String> {
        let (feed, subject) = (&self.feed, &self.subject);
        let mut lines = Vec::new();
        if self.is_known {
            let count = self.versions.len();
            lines.push(format!("feed {feed}: subject {subject}, {count} versions"));
        } else {
            lines.push(format!(
                "feed {feed}: the registry has no subject {subject}; name the right one with \
                 --subject, or register the schema"
            ));
        }
        if self.older > 0 {
            let older = self.older;
            lines.push(format!("  {older} older versions are not looked at"));
        }
        for one in &self.versions {
            let what = format!("version {}, id {}, {}", one.version, one.id, one.kind);
            tell(&what, &one.reading, &mut lines);
        }
        match &self.schema_ids {
            None => lines.push(format!(
                "  feeds/{feed}.toml has no schema_ids: every id is accepted"
            )),
            Some(ids) => {
                for one in ids {
                    let stray = if one.is_of_subject || one.reading == Reading::Unknown {
                        ""
                    } else {
                        ", of no version of the subject"
                    };
                    let what = format!("schema_ids of feeds/{feed}.toml: {}{stray}", one.id);
                    tell(&what, &one.reading, &mut lines);
                }
            }
        }
        if self.proposed.is_empty() {
            lines.push(format!(
                "  no schema can be read, so there is no line for feeds/{feed}.toml"
            ));
        } else {
            let ids: Vec<String> = self.proposed.iter().map(u32::to_string).collect();
            lines.push(format!("  the line for feeds/{feed}.toml:"));
            lines.push(format!("schema_ids = [{}]", ids.join(", ")));
        }
        lines
    }
}

fn tell(what: &str, reading: &Reading, lines: &mut Vec<String>) {
    match reading {
        Reading::Good => lines.push(format!("  {what}: can be read")),
        Reading::Unknown => lines.push(format!("  {what}: the registry has no such schema")),
        Reading::Bad(problems) => {
            lines.push(format!("  {what}: cannot be read"));
            lines.extend(problems.iter().map(|problem| format!("    {problem}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: u32, id: u32, reading: Reading) -> SubjectVersion {
        let kind = "PROTOBUF".to_owned();
        SubjectVersion {
            version,
            id,
            kind,
            reading,
        }
    }

    fn report(versions: Vec<SubjectVersion>, schema_ids: Option<Vec<ListedId>>) -> FeedReport {
        let report = FeedReport {
            feed: "gates".to_owned(),
            subject: "city.gates-value".to_owned(),
            is_known: true,
            older: 0,
            versions,
            schema_ids,
            proposed: BTreeSet::new(),
        };
        report.propose()
    }

    fn bad() -> Reading {
        Reading::Bad(vec!["Observation.count: is needed".to_owned()])
    }

    fn id(id: u32, is_of_subject: bool, reading: Reading) -> ListedId {
        ListedId {
            id,
            is_of_subject,
            reading,
        }
    }

    #[test]
    fn a_feed_that_lists_what_it_cannot_read_is_not_good() {
        let versions = || vec![version(1, 21, Reading::Good), version(2, 17, bad())];
        let check = |ids: Option<Vec<ListedId>>, is_good: bool, proposed: &[u32]| {
            let report = report(versions(), ids);
            assert_eq!(report.is_good(), is_good, "{report:?}");
            assert_eq!(report.proposed, proposed.iter().copied().collect());
        };
        check(None, true, &[21]);
        check(Some(vec![id(21, true, Reading::Good)]), true, &[21]);
        check(Some(vec![id(17, true, bad())]), false, &[21]);
        check(Some(vec![id(9, false, Reading::Unknown)]), false, &[21]);
        check(Some(vec![id(9, false, Reading::Good)]), true, &[9, 21]);
        assert!(!report(vec![version(1, 17, bad())], None).is_good());
        let unknown = FeedReport {
            is_known: false,
            ..report(vec![], Some(vec![id(9, false, Reading::Good)]))
        };
        assert!(!unknown.is_good());
    }

    #[test]
    fn a_file_is_not_proposed_more_ids_than_it_may_have() {
        let versions = (1..=1_100).map(|n| version(n, n, Reading::Good));
        let report = report(versions.collect(), None);
        assert_eq!(report.proposed, (77..=1_100).collect());
    }

    #[test]
    fn the_report_says_why_and_what_to_write() {
        let ids = vec![
            id(9, false, Reading::Good),
            id(17, true, bad()),
            id(99, false, Reading::Unknown),
        ];
        let versions = vec![version(1, 21, Reading::Good), version(2, 17, bad())];
        let told = report(versions, Some(ids)).lines();
        let want = [
            "feed gates: subject city.gates-value, 2 versions",
            "  version 1, id 21, PROTOBUF: can be read",
            "  version 2, id 17, PROTOBUF: cannot be read",
            "    Observation.count: is needed",
            "  schema_ids of feeds/gates.toml: 9, of no version of the subject: can be read",
            "  schema_ids of feeds/gates.toml: 17: cannot be read",
            "    Observation.count: is needed",
            "  schema_ids of feeds/gates.toml: 99: the registry has no such schema",
            "  the line for feeds/gates.toml:",
            "schema_ids = [9, 21]",
        ];
        assert_eq!(told, want);
        let told = report(vec![version(1, 17, bad())], None).lines();
        assert_eq!(
            told[3..],
            [
                "  feeds/gates.toml has no schema_ids: every id is accepted",
                "  no schema can be read, so there is no line for feeds/gates.toml",
            ]
        );
    }
}
