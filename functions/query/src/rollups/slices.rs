//! A cell's rows in slices within which comparisons of the duration with round lengths of time are constant.
//!
//! `duration <= 100000000` cuts a cell in those below, at and above 100 ms, and those without a duration. How many rows each
//! slice has is known exactly, so that whatever is counted or summed up by such comparisons and dimensions is, too.

use std::collections::BTreeSet;
use std::ops::Range;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{Expr, Operator, lit};
use rollup::{cells, steps};

use super::durations_within::durations_within;
use super::over_cells::{Needs, cell, is_duration, is_duration_as_double, over_cells};
use super::parts::case;

/// Each cuts off two more slices, all of which are counted for every cell.
const CUTS_MAX: usize = 8;

/// The rows of a cell for which the same comparisons hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slice {
    /// Nothing is compared.
    All,
    WithoutDuration,
    /// Slots of `rollup::steps`.
    Within(Range<u16>),
}

/// The slices that these expressions cut cells into. None: they compare durations with lengths that are not round.
pub(super) fn slices<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> Option<Vec<Slice>> {
    let (mut cuts, mut are_round) = (BTreeSet::new(), true);
    for expr in exprs {
        let seen = expr.apply(|part| {
            if let Some((_, length)) = comparison(part) {
                are_round &= steps::is_round(length);
                cuts.insert(steps::slot_of(length));
                return Ok(TreeNodeRecursion::Jump);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        seen.ok()?;
    }
    if !are_round || cuts.len() > CUTS_MAX {
        return None;
    }
    if cuts.is_empty() {
        return Some(vec![Slice::All]);
    }
    let (mut slices, mut from) = (vec![Slice::WithoutDuration], 0);
    for cut in cuts {
        slices.extend([Slice::Within(from..cut), Slice::Within(cut..cut + 1)]);
        from = cut + 1;
    }
    slices.push(Slice::Within(from..steps::SLOTS));
    Some(slices)
}

/// True if an expression compares durations.
pub(super) fn compares_durations(expr: &Expr) -> bool {
    expr.exists(|part| Ok(comparison(part).is_some())).unwrap_or(false)
}

impl Slice {
    /// How many rows of a cell are in it.
    pub(super) fn rows(&self, needs: &mut Needs) -> Expr {
        match self {
            Self::All => {
                needs.columns.insert(cells::ROWS);
                cell(cells::ROWS)
            }
            Self::WithoutDuration => {
                needs.columns.extend([cells::ROWS, cells::HAS_DURATION]);
                case(cell(cells::HAS_DURATION), lit(0_i64), cell(cells::ROWS))
            }
            Self::Within(slots) => {
                needs.columns.insert(cells::DURATION_STEPS);
                durations_within(slots.clone())
            }
        }
    }

    /// What an expression over rows is for the rows in it. None: cells do not tell.
    pub(super) fn over_cells(&self, expr: &Expr, needs: &mut Needs) -> Option<Expr> {
        let told = expr.clone().transform_down(|part| {
            let Some((op, length)) = comparison(&part) else { return Ok(Transformed::no(part)) };
            let holds = self.holds(op, steps::slot_of(length));
            Ok::<_, DataFusionError>(Transformed::new(lit(holds), true, TreeNodeRecursion::Jump))
        });
        over_cells(told.ok()?.data, needs)
    }

    /// Whether a comparison with the length of this slot is true of its durations; null of none.
    fn holds(&self, op: Operator, length: u16) -> ScalarValue {
        let Self::Within(slots) = self else { return ScalarValue::Boolean(None) };
        let order = match slots {
            slots if slots.end <= length => std::cmp::Ordering::Less,
            slots if slots.start > length => std::cmp::Ordering::Greater,
            _ => std::cmp::Ordering::Equal,
        };
        ScalarValue::Boolean(Some(match op {
            Operator::Lt => order.is_lt(),
            Operator::LtEq => order.is_le(),
            Operator::Gt => order.is_gt(),
            Operator::GtEq => order.is_ge(),
            Operator::NotEq => order.is_ne(),
            _ => order.is_eq(),
        }))
    }
}

/// `duration op length`, also of the duration as a double, which is exact where round lengths lie.
fn comparison(expr: &Expr) -> Option<(Operator, i64)> {
    let Expr::BinaryExpr(binary) = expr else { return None };
    let (duration, op, length) = match (binary.left.as_ref(), binary.right.as_ref()) {
        (duration, Expr::Literal(length, _)) => (duration, binary.op, length),
        (Expr::Literal(length, _), duration) => (duration, binary.op.swap()?, length),
        _ => return None,
    };
    use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    if !matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq) {
        return None;
    }
    match length {
        ScalarValue::Int64(Some(length)) if is_duration(duration) => Some((op, *length)),
        ScalarValue::Float64(Some(length)) if is_duration_as_double(duration) => {
            // What is no whole number is no round length either: -1 is none.
            let whole = length.fract() == 0.0 && length.abs() < 1e15;
            Some((op, if whole { *length as i64 } else { -1 }))
        }
        _ => None,
    }
}
