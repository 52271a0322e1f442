//! The subjects of a layer, each by a number.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// A subject with what rules and texts say of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Described {
    /// `cell`, `venue`, `site`, `grid_unit` or `city`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Its name in Chinese; empty where it has none.
    pub name_zh: String,
    /// Its name in English; empty where it has none.
    pub name_en: String,
    /// Its tags.
    pub tags: Vec<(&'static str, Cow<'static, str>)>,
}

/// Subjects by number, in the order in which they were first met.
#[derive(Debug, Clone, Default)]
pub struct Subjects {
    list: Vec<Described>,
    by_kind: BTreeMap<String, BTreeMap<String, u32>>,
}

impl Subjects {
    /// The number of the subject `id` of `kind`, which `describe` is asked about when it is new.
    ///
    /// # Panics
    /// With 2³² subjects.
    pub fn number(&mut self, kind: &str, id: &str, describe: impl FnOnce() -> Described) -> u32 {
        if let Some(number) = self.find(kind, id) {
            return number;
        }
        let number = u32::try_from(self.list.len()).expect("fewer subjects than 2³²");
        let described = Described {
            kind: kind.to_owned(),
            id: id.to_owned(),
            ..describe()
        };
        self.list.push(described);
        let of_kind = self.by_kind.entry(kind.to_owned()).or_default();
        of_kind.insert(id.to_owned(), number);
        number
    }

    /// The number of a subject that was met.
    pub fn find(&self, kind: &str, id: &str) -> Option<u32> {
        self.by_kind.get(kind)?.get(id).copied()
    }

    /// All of them, by number.
    pub fn list(&self) -> &[Described] {
        &self.list
    }
}
