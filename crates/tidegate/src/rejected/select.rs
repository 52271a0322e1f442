//! Which rejected records are meant.

use std::fmt;
use std::str::FromStr;

use crate::cli::RejectedFilter;

use super::source::Record;

/// Where a record stands, as the command line writes it: `FEED/PARTITION/OFFSET[/ROW]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The feed.
    pub feed: String,
    /// Kafka partition, or 0 in a lake.
    pub partition: i32,
    /// Kafka offset, or the number of the message in its file.
    pub offset: i64,
    /// The row within the message; `None` for all of them.
    pub row: Option<i32>,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not FEED/PARTITION/OFFSET[/ROW], for instance rail/0/1723 or rail/0/1723/2"
            )
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (feed, partition, offset, row) = match parts[..] {
            [feed, partition, offset] => (feed, partition, offset, None),
            [feed, partition, offset, row] => (feed, partition, offset, Some(row)),
            _ => return Err(wrong()),
        };
        if feed.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            feed: feed.to_owned(),
            partition: partition.parse().map_err(|_| wrong())?,
            offset: offset.parse().map_err(|_| wrong())?,
            row: row.map(str::parse).transpose().map_err(|_| wrong())?,
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.feed, self.partition, self.offset)?;
        self.row.map_or(Ok(()), |row| write!(f, "/{row}"))
    }
}

/// Which records are wanted: all of what is given has to hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    pipeline: Option<String>,
    feed: Option<String>,
    reason: Option<String>,
    place: Option<Place>,
}

impl Selection {
    /// By feed and reason.
    pub(super) fn of(filter: &RejectedFilter) -> Self {
        Self {
            feed: filter.feed.clone(),
            reason: filter.reason.clone(),
            ..Self::default()
        }
    }

    /// Those of one message, or one row of it.
    pub(super) fn at(place: &Place) -> Self {
        Self {
            place: Some(place.clone()),
            ..Self::default()
        }
    }

    /// Those of them that this pipeline rejected, or that name none.
    pub(super) fn by(self, pipeline: Option<&str>) -> Self {
        Self {
            pipeline: pipeline.map(str::to_owned),
            ..self
        }
    }

    /// The feed that it is confined to.
    pub(super) fn feed(&self) -> Option<&str> {
        let place = self.place.as_ref().map(|place| place.feed.as_str());
        self.feed.as_deref().or(place)
    }

    /// Whether `record` is wanted.
    pub(super) fn takes(&self, record: &Record) -> bool {
        let same = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        let here = self.place.as_ref().is_none_or(|place| {
            place.feed == record.feed
                && (place.partition, place.offset) == (record.partition, record.offset)
                && place.row.is_none_or(|row| row == record.row)
        });
        let ours = record.pipeline.as_deref();
        let ours = ours.is_none_or(|pipeline| same(&self.pipeline, pipeline));
        ours && here && same(&self.feed, &record.feed) && same(&self.reason, &record.reason)
    }
}

impl fmt::Display for Selection {
    /// Reads after "no rejected record".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, " at {place}")?;
        }
        if let Some(feed) = &self.feed {
            write!(f, " of feed {feed:?}")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, " with reason {reason}")?;
        }
        let pipeline = self.pipeline.as_ref();
        pipeline.map_or(Ok(()), |pipeline| write!(f, " by pipeline {pipeline}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, i32, i64, Option<i32>)>) {
        let place = text.parse::<Place>();
        let found = place
            .as_ref()
            .ok()
            .map(|p| (p.feed.as_str(), p.partition, p.offset, p.row));
        assert_eq!(found, expected, "{text:?}");
        match place {
            Ok(place) => assert_eq!(place.to_string(), text),
            Err(message) => assert!(message.contains(&format!("{text:?}")), "{message}"),
        }
    }

    #[test]
    fn positions_are_read_as_they_are_written() {
        check("rail/0/1723", Some(("rail", 0, 1723, None)));
        check("rail/11/1723/2", Some(("rail", 11, 1723, Some(2))));
        let wrong = [
            "",
            "rail",
            "rail/0",
            "/0/1",
            "rail/0/x",
            "rail/0/1/",
            "rail/0/1/2/3",
            "rail/99999999999/1",
        ];
        for text in wrong {
            check(text, None);
        }
    }
}
