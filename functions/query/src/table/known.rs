//! Filters that the log answers for whole files: by project, signal and time.
//!
//! A file all of whose rows satisfy them is read without them, and without their columns if nobody else asks for those. They
//! hold for the rows of every other file and segment because the scan applies them there.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Operator};
use lake::{DataFile, SORT_COLUMN};
use model::Micros;

const PROJECT: &str = "project_id";
const SIGNAL: &str = "signal";

/// What such a filter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Project(String),
    Signal(String),
    /// Both ends are inside.
    Time {
        least: Micros,
        greatest: Micros,
    },
}

impl Known {
    /// None: it is another filter.
    pub(crate) fn of(filter: &Expr) -> Option<Self> {
        let Expr::BinaryExpr(binary) = filter else { return None };
        let (column, op, value) = match (binary.left.as_ref(), binary.right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) => (column, binary.op, value),
            (Expr::Literal(value, _), Expr::Column(column)) => (column, binary.op.swap()?, value),
            _ => return None,
        };
        match (column.name.as_str(), op) {
            (PROJECT, Operator::Eq) => Some(Self::Project(value.try_as_str()??.to_owned())),
            (SIGNAL, Operator::Eq) => Some(Self::Signal(value.try_as_str()??.to_owned())),
            (SORT_COLUMN, op) => {
                let ScalarValue::TimestampMicrosecond(Some(at), Some(_)) = value else { return None };
                Self::time(op, *at)
            }
            _ => None,
        }
    }

    fn time(op: Operator, at: Micros) -> Option<Self> {
        let (least, greatest) = match op {
            Operator::Eq => (at, at),
            Operator::GtEq => (at, Micros::MAX),
            Operator::Gt => (at.checked_add(1)?, Micros::MAX),
            Operator::LtEq => (Micros::MIN, at),
            Operator::Lt => (Micros::MIN, at.checked_sub(1)?),
            _ => return None,
        };
        Some(Self::Time { least, greatest })
    }

    /// True if every row of a file of ours satisfies it; the file is of this project.
    pub(super) fn holds_for(&self, project: &str, file: &DataFile) -> bool {
        match self {
            Self::Project(asked) => asked == project,
            Self::Signal(asked) => file.partition.get(SIGNAL) == Some(asked),
            Self::Time { least, greatest } => *least <= file.time_min && file.time_max <= *greatest,
        }
    }
}

/// Such filters of one scan, as they came.
#[derive(Default)]
pub(super) struct Filters(Vec<(Known, Expr)>);

impl Filters {
    pub(super) fn known(filters: &[Expr]) -> Self {
        Self(filters.iter().filter_map(|filter| Some((Known::of(filter)?, filter.clone()))).collect())
    }

    pub(super) fn is_of_another_project(&self, project: &str) -> bool {
        self.0.iter().any(|(known, _)| matches!(known, Known::Project(asked) if asked != project))
    }

    pub(super) fn hold_for(&self, project: &str, file: &DataFile) -> bool {
        self.0.iter().all(|(known, _)| known.holds_for(project, file))
    }

    /// What must be asked of each row of other files and segments; the project, which is one for all, need not. None: nothing.
    pub(super) fn of_rows(&self) -> Option<Expr> {
        let of_rows = self.0.iter().filter(|(known, _)| !matches!(known, Known::Project(_)));
        conjunction(of_rows.map(|(_, filter)| filter.clone()))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    fn at(micros: Micros) -> Expr {
        lit(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())))
    }

    #[test]
    fn a_filter_is_known_by_its_column_operator_and_value() {
        let time = |least, greatest| Some(Known::Time { least, greatest });
        for (filter, known) in [
            (col(SORT_COLUMN).gt_eq(at(5)), time(5, Micros::MAX)),
            (col(SORT_COLUMN).gt(at(5)), time(6, Micros::MAX)),
            (col(SORT_COLUMN).lt_eq(at(5)), time(Micros::MIN, 5)),
            (col(SORT_COLUMN).lt(at(5)), time(Micros::MIN, 4)),
            (at(5).lt(col(SORT_COLUMN)), time(6, Micros::MAX)),
            (at(5).gt_eq(col(SORT_COLUMN)), time(Micros::MIN, 5)),
            (col(SORT_COLUMN).eq(at(5)), time(5, 5)),
            (col(PROJECT).eq(lit("shop")), Some(Known::Project("shop".to_owned()))),
            (lit("log").eq(col(SIGNAL)), Some(Known::Signal("log".to_owned()))),
            (col(SORT_COLUMN).not_eq(at(5)), None),
            (col(SORT_COLUMN).gt(at(Micros::MAX)), None),
            (col(SORT_COLUMN).gt(lit("2026-11-20")), None),
            (col(SORT_COLUMN).gt(lit(ScalarValue::TimestampMicrosecond(None, Some("UTC".into())))), None),
            (col(SIGNAL).not_eq(lit("log")), None),
            (col("kind").eq(lit("server")), None),
            (col("start_time").gt(at(5)), None),
        ] {
            assert_eq!(Known::of(&filter), known, "{filter}");
        }
    }
}
