//! How finely a level tells times and values apart.

use model::{MICROS_PER_HOUR, Micros};

/// A column of the table by which cells are told apart. Whether a row has a duration always tells them apart, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    Service,
    Environment,
    Kind,
    StatusCode,
    Level,
    Name,
    HttpMethod,
    HttpStatus,
    DbSystem,
}

impl Dimension {
    pub const ALL: [Self; 9] = [
        Self::Service,
        Self::Environment,
        Self::Kind,
        Self::StatusCode,
        Self::Level,
        Self::Name,
        Self::HttpMethod,
        Self::HttpStatus,
        Self::DbSystem,
    ];

    /// What the table and the cells call it.
    pub fn column(self) -> &'static str {
        match self {
            Self::Service => "resource___service___name",
            Self::Environment => "resource___deployment___environment___name",
            Self::Kind => "kind",
            Self::StatusCode => "status_code",
            Self::Level => "level",
            Self::Name => "name",
            Self::HttpMethod => "attributes___http___request___method",
            Self::HttpStatus => "attributes___http___response___status_code",
            Self::DbSystem => "attributes___db___system___name",
        }
    }

    pub fn of_column(column: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dimension| dimension.column() == column)
    }

    /// False: it is a text.
    pub fn is_integer(self) -> bool {
        self == Self::HttpStatus
    }
}

/// A column whose distinct values are counted; see [`DimensionSet::Bare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Traces,
    Users,
}

impl Counted {
    pub const ALL: [Self; 2] = [Self::Traces, Self::Users];

    /// What the table calls it.
    pub fn column(self) -> &'static str {
        match self {
            Self::Traces => "context___trace_id",
            Self::Users => "attributes___user___id",
        }
    }

    /// The column of the cells.
    pub fn sketch(self) -> &'static str {
        match self {
            Self::Traces => "trace_sketch",
            Self::Users => "user_sketch",
        }
    }
}

/// The dimensions of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DimensionSet {
    /// None; its cells, of an hour each, count the distinct values of [`Counted`] columns, which would take too much room
    /// elsewhere.
    Bare,
    /// What health is judged by.
    Narrow,
    /// All but the name, of which there may be many.
    Nameless,
    All,
}

impl DimensionSet {
    pub const EACH: [Self; 4] = [Self::Bare, Self::Narrow, Self::Nameless, Self::All];

    pub fn dimensions(self) -> impl Iterator<Item = Dimension> {
        Dimension::ALL.into_iter().filter(move |dimension| self.has(*dimension))
    }

    pub fn has(self, dimension: Dimension) -> bool {
        match self {
            Self::All => true,
            Self::Nameless => dimension != Dimension::Name,
            Self::Narrow => dimension <= Dimension::Level,
            Self::Bare => false,
        }
    }
}

/// The stretch of time of a cell; each begins at a multiple of it since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Granule {
    #[serde(rename = "1m")]
    Minute,
    #[serde(rename = "5m")]
    FiveMinutes,
    #[serde(rename = "1h")]
    Hour,
}

impl Granule {
    pub const EACH: [Self; 3] = [Self::Minute, Self::FiveMinutes, Self::Hour];

    pub fn micros(self) -> Micros {
        match self {
            Self::Minute => MICROS_PER_HOUR / 60,
            Self::FiveMinutes => MICROS_PER_HOUR / 12,
            Self::Hour => MICROS_PER_HOUR,
        }
    }

    /// The start of the stretch that a time falls into.
    pub fn start(self, at: Micros) -> Micros {
        at - at.rem_euclid(self.micros())
    }
}

/// One of the ways in which the rows of a file are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Level {
    pub granule: Granule,
    pub set: DimensionSet,
}

impl Level {
    pub fn each() -> impl Iterator<Item = Self> {
        let all = Granule::EACH.into_iter().flat_map(|granule| DimensionSet::EACH.map(|set| Self { granule, set }));
        all.filter(|level| !level.counts_distinct() || level.granule == Granule::Hour)
    }

    /// True if its cells count the distinct values of [`Counted`] columns.
    pub fn counts_distinct(self) -> bool {
        self.set == DimensionSet::Bare
    }

    /// True if everything that `coarser` tells apart is told apart and counted here, too.
    pub(crate) fn refines(self, coarser: Self) -> bool {
        self.granule <= coarser.granule && self.set >= coarser.set && !coarser.counts_distinct()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_each_other_and_granules_divide_each_other() {
        for (smaller, larger) in DimensionSet::EACH.windows(2).map(|pair| (pair[0], pair[1])) {
            assert!(smaller.dimensions().all(|dimension| larger.has(dimension)), "{smaller:?}");
            assert!(smaller.dimensions().count() < larger.dimensions().count(), "{smaller:?}");
        }
        for pair in Granule::EACH.windows(2) {
            assert_eq!(pair[1].micros() % pair[0].micros(), 0, "{pair:?}");
        }
    }

    #[test]
    fn a_stretch_begins_at_or_before_its_times_also_before_1970() {
        for (at, start) in [(0, 0), (1, 0), (60_000_000, 60_000_000), (119_999_999, 60_000_000), (-1, -60_000_000)] {
            assert_eq!(Granule::Minute.start(at), start, "{at}");
        }
    }
}
