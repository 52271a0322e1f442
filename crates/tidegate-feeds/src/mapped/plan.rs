//! A mapping, checked and with its columns numbered.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{Measure, Span, Subject};

use super::{Cell, Mapper};
use crate::config::{
    Column, ConfigProblem, CumulativeConfig, EmptyCount, FactorConfig, MappingConfig, OriginConfig,
    WideConfig,
};
use crate::counter::{CounterRules, Counters};
use crate::json::Names;
use crate::personal::PersonalFields;
use crate::time::{HOUR_MAX, Length, TimeReader};

/// The most persons that one vehicle may stand for.
const FACTOR_MAX: f64 = 1_000.0;

/// The largest value that a counter may be said to have.
const WRAP_MAX: i64 = 1 << 53;

/// The columns that a mapping names, numbered in the order in which it names them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots {
    columns: Vec<Column>,
    names: Vec<String>,
    spellings: BTreeMap<String, (usize, usize)>,
}

impl Slots {
    /// What the column of a slot is called, for messages.
    pub(crate) fn name(&self, slot: usize) -> &str {
        &self.names[slot]
    }
}

impl Names for Slots {
    fn slots(&self) -> usize {
        self.columns.len()
    }

    fn find(&self, name: &str) -> Option<(usize, usize)> {
        let found = self.spellings.get(name).copied();
        if found.is_some() || name.trim() == name {
            return found;
        }
        self.spellings.get(name.trim()).copied()
    }
}

/// Where a count comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    Column(usize),
    Each(i64),
}

#[derive(Debug, Clone)]
pub(crate) struct PlannedCount {
    pub(crate) reading: Reading,
    /// `None` where the direction column says it.
    pub(crate) measure: Option<Measure>,
    pub(crate) subject: Subject,
    pub(crate) origin: Option<String>,
    /// The hour of a wide table's column.
    pub(crate) hour: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) enum PlannedOrigin {
    None,
    Constant(String),
    Column(usize),
}

/// Which slot means what.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) slots: Slots,
    pub(crate) site: Vec<usize>,
    pub(crate) site_separator: String,
    pub(crate) site_aliases: BTreeMap<String, String>,
    pub(crate) time: Vec<usize>,
    pub(crate) hour: Option<usize>,
    pub(crate) counts: Vec<PlannedCount>,
    pub(crate) wide: bool,
    pub(crate) direction: Option<(usize, BTreeMap<String, Measure>)>,
    pub(crate) origin: PlannedOrigin,
    pub(crate) coordinate: Option<(usize, usize)>,
    pub(crate) range: Option<(usize, usize)>,
    pub(crate) empty_count: EmptyCount,
    pub(crate) persons_per_vehicle: Option<FactorConfig>,
    pub(crate) time_constant: Option<String>,
    pub(crate) id: Vec<usize>,
    pub(crate) counter: Vec<usize>,
}

impl Plan {
    /// What the column of a count is called, for ids and messages.
    pub(crate) fn count_name(&self, index: usize) -> &str {
        match self.counts[index].reading {
            Reading::Column(slot) => self.slots.name(slot),
            Reading::Each(_) => "count_each",
        }
    }

    /// The columns, besides those of counts, without which no record can be read.
    pub(crate) fn needed_slots(&self) -> BTreeSet<usize> {
        let one_by_one = [&self.site, &self.time, &self.id, &self.counter];
        let mut slots: BTreeSet<usize> = one_by_one.into_iter().flatten().copied().collect();
        slots.extend(self.hour);
        slots.extend(self.direction.as_ref().map(|(slot, _)| *slot));
        if let PlannedOrigin::Column(slot) = self.origin {
            slots.insert(slot);
        }
        slots
    }

    /// Whether a count without a value is no fault of its record.
    pub(crate) fn passes_empty(&self, cell: Cell<'_>) -> bool {
        self.wide || (self.empty_count == EmptyCount::Pass && cell != Cell::Absent)
    }
}

/// What of a feed's other settings a mapping must agree with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'f> {
    pub(crate) interval_max: Span,
    pub(crate) count_max: i64,
    pub(crate) personal: &'f PersonalFields,
}

/// Makes the mapper of a mapping, or lists everything that is wrong with it.
pub(crate) fn compile(
    mapping: &MappingConfig,
    frame: Frame<'_>,
) -> Result<Mapper, Vec<ConfigProblem>> {
    let mut compiler = Compiler {
        mapping,
        frame,
        slots: Slots::default(),
        problems: Vec::new(),
    };
    let time = compiler.time();
    let site = compiler.columns("site", &mapping.site);
    if site.is_empty() {
        compiler.problem("site", "no column is named");
    }
    compiler.check_site_aliases();
    let time_columns = compiler.columns("time.columns", &mapping.time.columns);
    let hour = compiler.optional("time.hour", mapping.time.hour.as_ref());
    let counts = compiler.counts();
    compiler.check_measures(&counts);
    let direction = compiler.direction();
    let origin = compiler.origin(&counts);
    let coordinate = compiler.coordinate();
    let range = compiler.range();
    compiler.check_factor(&counts);
    let id = compiler.columns("id", &mapping.id);
    let counter = mapping
        .cumulative
        .as_ref()
        .map(|cumulative| compiler.columns("cumulative.counter", &cumulative.counter));
    let counters = compiler.counters(&counts);
    let Compiler {
        slots, problems, ..
    } = compiler;
    let (Some(time), true) = (time, problems.is_empty()) else {
        return Err(problems);
    };
    let plan = Plan {
        slots,
        site,
        site_separator: mapping.site_separator.clone(),
        site_aliases: mapping.site_aliases.clone(),
        time: time_columns,
        hour,
        counts,
        wide: mapping.wide.is_some(),
        direction,
        origin,
        coordinate,
        range,
        empty_count: mapping.empty_count,
        persons_per_vehicle: mapping.persons_per_vehicle,
        time_constant: mapping.time.constant.clone(),
        id,
        counter: counter.unwrap_or_default(),
    };
    Ok(Mapper::new(plan, time, counters))
}

struct Compiler<'c> {
    mapping: &'c MappingConfig,
    frame: Frame<'c>,
    slots: Slots,
    problems: Vec<ConfigProblem>,
}

impl Compiler<'_> {
    fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.problems
            .push(ConfigProblem::new(format!("mapping.{key}"), message));
    }

    /// The slot of `column`, a new one when it was not named before.
    fn slot(&mut self, key: &str, column: &Column) -> usize {
        if let Some(slot) = self.slots.columns.iter().position(|known| known == column) {
            return slot;
        }
        let slot = self.slots.columns.len();
        for (rank, spelling) in column.spellings().iter().enumerate() {
            if self.frame.personal.denies(spelling) {
                self.problem(
                    key,
                    format!(
                        "{spelling:?} is a field that could identify a person, by personal_fields"
                    ),
                );
            }
            let known = self.slots.spellings.insert(spelling.clone(), (slot, rank));
            if known.is_some() {
                self.problem(
                    key,
                    format!("{spelling:?} is a spelling of another column too; name the same spellings wherever it is used"),
                );
            }
        }
        self.slots.columns.push(column.clone());
        self.slots.names.push(column.to_string());
        slot
    }

    fn columns(&mut self, key: &str, columns: &[Column]) -> Vec<usize> {
        columns
            .iter()
            .enumerate()
            .map(|(index, column)| self.slot(&format!("{key}[{index}]"), column))
            .collect()
    }

    fn optional(&mut self, key: &str, column: Option<&Column>) -> Option<usize> {
        column.map(|column| self.slot(key, column))
    }

    fn time(&mut self) -> Option<TimeReader> {
        let mapping = self.mapping;
        let default = match mapping.wide {
            Some(_) => Length::Fixed(Span::hours(1)),
            None => Length::Point,
        };
        if mapping.wide.is_some() && mapping.time.hour.is_some() {
            self.problem(
                "time.hour",
                "the hour columns of mapping.wide give the hour",
            );
        }
        if mapping.cumulative.is_some() && mapping.time.interval.is_some() {
            self.problem(
                "time.interval",
                "a cumulative counter's interval starts at its reading before",
            );
        }
        let reader = match TimeReader::try_new(&mapping.time, default) {
            Ok(reader) => reader,
            Err(problems) => {
                self.problems.extend(problems);
                return None;
            }
        };
        let interval_max = self.frame.interval_max;
        let longest = match reader.length() {
            Length::Point => Span::ZERO,
            Length::Fixed(span) => span,
            // The day on which clocks are set back.
            Length::Days(days) => Span::hours(days * 24 + 1),
        };
        if longest > interval_max {
            self.problem(
                "time.interval",
                format!("can be {longest} long, longer than interval_max {interval_max}"),
            );
        }
        Some(reader)
    }

    fn check_site_aliases(&mut self) {
        let mapping = self.mapping;
        for (spelling, site) in &mapping.site_aliases {
            if site.trim().is_empty() {
                self.problem(
                    &format!("site_aliases.{spelling:?}"),
                    "the site's id is empty",
                );
            }
        }
    }

    fn counts(&mut self) -> Vec<PlannedCount> {
        let mapping = self.mapping;
        let given = [
            mapping.count.is_some(),
            mapping.count_each.is_some(),
            !mapping.counts.is_empty(),
            mapping.wide.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() != 1 {
            self.problem(
                "count",
                "exactly one of count, count_each, [[mapping.counts]] and [mapping.wide] is needed",
            );
        }
        let plain = |reading: Reading, hour: Option<i64>| PlannedCount {
            reading,
            measure: mapping.measure,
            subject: mapping.subject,
            origin: None,
            hour,
        };
        if let Some(column) = &mapping.count {
            let slot = self.slot("count", column);
            return vec![plain(Reading::Column(slot), None)];
        }
        if let Some(each) = mapping.count_each {
            let count_max = self.frame.count_max;
            if !(1..=count_max).contains(&each) {
                let message = format!("{each} is not within 1 to count_max {count_max}");
                self.problem("count_each", message);
            }
            if mapping.cumulative.is_some() {
                self.problem("count_each", "is no reading of a counter");
            }
            return vec![plain(Reading::Each(each), None)];
        }
        if let Some(wide) = &mapping.wide {
            let hours = self.wide(wide);
            return hours
                .into_iter()
                .map(|(slot, hour)| plain(Reading::Column(slot), Some(hour)))
                .collect();
        }
        let mut counts = Vec::new();
        for (index, count) in mapping.counts.iter().enumerate() {
            let slot = self.slot(&format!("counts[{index}].column"), &count.column);
            counts.push(PlannedCount {
                reading: Reading::Column(slot),
                measure: count.measure.or(mapping.measure),
                subject: count.subject.unwrap_or(mapping.subject),
                origin: count.origin.clone(),
                hour: None,
            });
            if count
                .origin
                .as_ref()
                .is_some_and(|origin| origin.trim().is_empty())
            {
                self.problem(&format!("counts[{index}].origin"), "is empty");
            }
        }
        counts
    }

    /// The slots of a wide table's columns with their hours.
    fn wide(&mut self, wide: &WideConfig) -> Vec<(usize, i64)> {
        let mut named: Vec<(String, Column, i64)> = Vec::new();
        match &wide.pattern {
            Some(pattern) if wide.columns.is_empty() => {
                if !pattern.contains("{hour}") && !pattern.contains("{hour:02}") {
                    self.problem(
                        "wide.pattern",
                        format!("{pattern:?} has no {{hour}} or {{hour:02}} in it"),
                    );
                    return Vec::new();
                }
                let hours = wide.first_hour..=wide.last_hour;
                if hours.is_empty() || wide.first_hour < 0 || wide.last_hour > HOUR_MAX {
                    self.problem(
                        "wide.first_hour",
                        format!(
                            "{} to {} are not hours in order within 0 to {HOUR_MAX}",
                            wide.first_hour, wide.last_hour
                        ),
                    );
                    return Vec::new();
                }
                for hour in hours {
                    match Column::try_from(hour_column(pattern, hour)) {
                        Ok(column) => named.push(("wide.pattern".to_owned(), column, hour)),
                        Err(message) => self.problem("wide.pattern", message),
                    }
                }
            }
            None if !wide.columns.is_empty() => {
                for (index, column) in wide.columns.iter().enumerate() {
                    let key = format!("wide.columns[{index}]");
                    if !(0..=HOUR_MAX).contains(&column.hour) {
                        let hour = column.hour;
                        self.problem(&key, format!("hour {hour} is not within 0 to {HOUR_MAX}"));
                    }
                    named.push((key, column.column.clone(), column.hour));
                }
            }
            _ => self.problem("wide", "either a pattern or columns are needed"),
        }
        named
            .iter()
            .map(|(key, column, hour)| (self.slot(key, column), *hour))
            .collect()
    }

    fn check_measures(&mut self, counts: &[PlannedCount]) {
        let directed = self.mapping.direction.is_some();
        if directed && counts.iter().any(|count| count.measure.is_some()) {
            self.problem(
                "direction",
                "the measure is given twice: by the direction column and by a measure",
            );
        }
        if !directed && counts.iter().any(|count| count.measure.is_none()) {
            self.problem(
                "measure",
                "is needed where no direction column or count column says what is measured",
            );
        }
    }

    fn direction(&mut self) -> Option<(usize, BTreeMap<String, Measure>)> {
        let direction = self.mapping.direction.as_ref()?;
        let slot = self.slot("direction.column", &direction.column);
        if direction.values.is_empty() {
            self.problem("direction.values", "no word is named");
        }
        let values = direction
            .values
            .iter()
            .map(|(word, measure)| (word.trim().to_owned(), *measure))
            .collect();
        Some((slot, values))
    }

    fn origin(&mut self, counts: &[PlannedCount]) -> PlannedOrigin {
        let Some(origin) = &self.mapping.origin else {
            return PlannedOrigin::None;
        };
        if counts.iter().any(|count| count.origin.is_some()) {
            self.problem(
                "origin",
                "the origin is given twice: here and by a count column",
            );
        }
        match origin {
            OriginConfig {
                column: Some(column),
                constant: None,
            } => PlannedOrigin::Column(self.slot("origin.column", column)),
            OriginConfig {
                column: None,
                constant: Some(constant),
            } if !constant.trim().is_empty() => PlannedOrigin::Constant(constant.clone()),
            _ => {
                self.problem("origin", "either a column or a constant is needed");
                PlannedOrigin::None
            }
        }
    }

    fn coordinate(&mut self) -> Option<(usize, usize)> {
        let lat = self.optional("lat", self.mapping.lat.as_ref());
        let lng = self.optional("lng", self.mapping.lng.as_ref());
        if lat.is_some() != lng.is_some() {
            self.problem("lat", "lat and lng go together");
        }
        lat.zip(lng)
    }

    fn range(&mut self) -> Option<(usize, usize)> {
        let range = self.mapping.range.as_ref()?;
        if self.mapping.count.is_none() || self.mapping.cumulative.is_some() {
            let message = "goes with a single count that is not cumulative";
            self.problem("range", message);
        }
        let low = self.slot("range.low", &range.low);
        let high = self.slot("range.high", &range.high);
        Some((low, high))
    }

    fn check_factor(&mut self, counts: &[PlannedCount]) {
        let Some(factor) = self.mapping.persons_per_vehicle else {
            return;
        };
        let FactorConfig { value, low, high } = factor;
        // Written so that NaN is outside.
        let ordered = 0.0 < value && 0.0 <= low && low <= value && value <= high;
        if !(ordered && high <= FACTOR_MAX) {
            let message = format!(
                "{low}, {value}, {high} are not low, value and high in order, above 0 and at \
                 most {FACTOR_MAX}"
            );
            self.problem("persons_per_vehicle", message);
        }
        if counts.iter().all(|count| count.subject != Subject::Vehicle) {
            self.problem("persons_per_vehicle", "no count is of vehicles");
        }
    }

    fn counters(&mut self, counts: &[PlannedCount]) -> Option<Counters> {
        let cumulative = self.mapping.cumulative.as_ref()?;
        let CumulativeConfig {
            step_max,
            wrap_at,
            reset_below,
            counters_max,
            ..
        } = *cumulative;
        if cumulative.counter.is_empty() {
            self.problem("cumulative.counter", "no column is named");
        }
        let count_max = self.frame.count_max;
        if !(1..=count_max).contains(&step_max) {
            self.problem(
                "cumulative.step_max",
                format!("{step_max} is not within 1 to count_max {count_max}"),
            );
        }
        if let Some(wrap_at) = wrap_at
            && !(step_max.saturating_add(1)..=WRAP_MAX).contains(&wrap_at)
        {
            self.problem(
                "cumulative.wrap_at",
                format!("{wrap_at} is not above step_max {step_max} and at most {WRAP_MAX}"),
            );
        }
        if reset_below < 0 {
            self.problem(
                "cumulative.reset_below",
                format!("{reset_below} is below 0"),
            );
        }
        if counters_max == 0 {
            self.problem("cumulative.counters_max", "0 counters cannot be remembered");
        }
        if self.mapping.wide.is_some() {
            self.problem("cumulative", "a wide table of counters is not read");
        }
        let directed = self
            .mapping
            .direction
            .iter()
            .flat_map(|d| d.values.values());
        let measures = counts.iter().filter_map(|count| count.measure.as_ref());
        if measures.chain(directed).any(|measure| !measure.is_flow()) {
            self.problem("cumulative", "a counter counts in, out or through");
        }
        Some(Counters::new(CounterRules {
            step_max,
            wrap_at,
            reset_below,
            gap_max: self.frame.interval_max,
            counters_max,
        }))
    }
}

/// The name of an hour's column.
fn hour_column(pattern: &str, hour: i64) -> String {
    pattern
        .replace("{hour}", &hour.to_string())
        .replace("{hour:02}", &format!("{hour:02}"))
        .replace("{next}", &(hour + 1).to_string())
        .replace("{next:02}", &format!("{:02}", hour + 1))
}
