//! The tree of responsibility: grid units with the unit above each.

use std::collections::BTreeMap;

use crate::problem::{Problem, Problems};

/// The most units in a tree. Beyond it the tree is refused.
pub const GRID_UNITS_MAX: usize = 100_000;

/// The most units from the lowest to the top. Beyond it the tree is refused.
pub const GRID_DEPTH_MAX: usize = 16;

/// One grid unit: a city, a district, a street, a community grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridUnit {
    /// Its id.
    pub id: String,
    /// The unit above; none above the top.
    pub parent: Option<String>,
    /// Its name in Chinese.
    pub name_zh: String,
    /// Its name in English.
    pub name_en: String,
}

/// Grid units of which each one's parents are known and end at a top.
///
/// ```
/// use tidegate_dispatch::{GridTree, GridUnit};
/// let unit = |id: &str, parent: Option<&str>| GridUnit {
///     id: id.to_owned(),
///     parent: parent.map(str::to_owned),
///     name_zh: id.to_owned(),
///     name_en: id.to_owned(),
/// };
/// let tree = GridTree::try_new(vec![unit("city", None), unit("g1", Some("city"))]).unwrap();
/// assert_eq!(tree.chain("g1"), ["g1", "city"]);
/// assert!(tree.chain("g9").is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GridTree {
    units: BTreeMap<String, GridUnit>,
}

impl GridTree {
    /// Checks the units.
    ///
    /// # Errors
    /// All problems: two of one id, an unknown parent, a cycle, too deep, too many.
    pub fn try_new(units: Vec<GridUnit>) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        if units.len() > GRID_UNITS_MAX {
            let message = format!("{} units are more than {GRID_UNITS_MAX}", units.len());
            problems.add("grid_unit", message);
            return Err(problems.into_list());
        }
        let mut tree = Self::default();
        for unit in units {
            let key = format!("grid_unit.{}", unit.id);
            if unit.id.trim().is_empty() {
                problems.add("grid_unit", "a unit has an empty id: give it one");
            }
            if tree.units.insert(unit.id.clone(), unit).is_some() {
                problems.add(key, "is there twice: give each unit an id of its own");
            }
        }
        for unit in tree.units.values() {
            if let Some(message) = tree.fault(unit) {
                problems.add(format!("grid_unit.{}.parent", unit.id), message);
            }
        }
        problems.ok(tree)
    }

    /// What is wrong with the way from `unit` to the top.
    fn fault(&self, unit: &GridUnit) -> Option<String> {
        let mut way = vec![unit.id.as_str()];
        let mut above = unit.parent.as_deref();
        while let Some(id) = above {
            if way.contains(&id) {
                way.push(id);
                let way = way.join(" → ");
                return Some(format!(
                    "goes in a circle, {way}: let one of them be the top"
                ));
            }
            way.push(id);
            if way.len() > GRID_DEPTH_MAX {
                return Some(format!(
                    "lies more than {GRID_DEPTH_MAX} units below the top"
                ));
            }
            let Some(next) = self.units.get(id) else {
                // Told once, at the unit that names it.
                let message = format!("{id:?} is not a grid unit: add it or name another");
                return (way.len() == 2).then_some(message);
            };
            above = next.parent.as_deref();
        }
        None
    }

    /// Whether there is such a unit.
    pub fn contains(&self, id: &str) -> bool {
        self.units.contains_key(id)
    }

    /// The unit with this id.
    pub fn get(&self, id: &str) -> Option<&GridUnit> {
        self.units.get(id)
    }

    /// The unit itself and those above it, up to the top; nothing for an unknown unit.
    pub fn chain(&self, id: &str) -> Vec<&str> {
        let mut chain = Vec::new();
        let mut next = self.units.get(id);
        while let Some(unit) = next {
            chain.push(unit.id.as_str());
            next = unit.parent.as_ref().and_then(|id| self.units.get(id));
        }
        chain
    }
}
