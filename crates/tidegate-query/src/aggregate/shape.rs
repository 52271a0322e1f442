//! Which SQL is a window query, and which aggregates it may use.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Expr as LogicalExpr, LogicalPlan};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::expressions::CastExpr;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, SelectItem, SetExpr, Statement, TableFactor, Value, ValueWithSpan,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::WindowQueryError;
use crate::session::unrepeatable_function;
use crate::{importation, sketch, spatial};

/// Aggregates whose partial state is exact, portable and merges associatively.
const ALLOWED: [&str; 11] = [
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "count",
    sketch::NAME,
    "max",
    "min",
    "sum",
];

/// Puts `window_start, window_end` in front of the select list and the group keys.
pub(super) fn with_window_keys(sql: &str) -> Result<String, WindowQueryError> {
    let shape = |what: &str| WindowQueryError::Shape(what.to_owned());
    let mut statements = Parser::parse_sql(&GenericDialect {}, sql)
        .map_err(|error| WindowQueryError::Sql(error.to_string()))?;
    if statements.len() != 1 {
        return Err(shape("this is not one statement"));
    }
    let Some(Statement::Query(query)) = statements.first_mut() else {
        return Err(shape("this is not a SELECT"));
    };
    if query.with.is_some() || query.order_by.is_some() || query.limit_clause.is_some() {
        return Err(shape(
            "WITH, ORDER BY and LIMIT have no meaning in a window",
        ));
    }
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Err(shape("UNION and VALUES are not possible"));
    };
    let from_observation = match select.from.as_slice() {
        [from] if from.joins.is_empty() => matches!(
            &from.relation,
            TableFactor::Table { name, .. } if name.to_string() == "observation"
        ),
        _ => false,
    };
    if !from_observation {
        return Err(shape(
            "FROM must name the table observation alone; join in a layer instead",
        ));
    }
    if select.distinct.is_some() {
        return Err(shape("SELECT DISTINCT is not an aggregate"));
    }
    let keys = ["window_start", "window_end"].map(|name| Expr::Identifier(Ident::new(name)));
    for (idx, key) in keys.iter().enumerate() {
        select
            .projection
            .insert(idx, SelectItem::UnnamedExpr(key.clone()));
    }
    match &mut select.group_by {
        GroupByExpr::All(_) => {}
        GroupByExpr::Expressions(groups, _) => {
            let ordinal = |group: &Expr| {
                matches!(
                    group,
                    Expr::Value(ValueWithSpan {
                        value: Value::Number(..),
                        ..
                    })
                )
            };
            if groups.iter().any(ordinal) {
                return Err(shape("GROUP BY must name columns, not their numbers"));
            }
            groups.splice(0..0, keys);
        }
    }
    Ok(statements[0].to_string())
}

/// The one aggregate of `plan` in raw-input form.
pub(super) fn only_aggregate(
    plan: &Arc<dyn ExecutionPlan>,
) -> Result<AggregateExec, WindowQueryError> {
    let mut found: Vec<AggregateExec> = Vec::new();
    plan.apply(|node| {
        if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
            found.push(aggregate.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    found.retain(|aggregate| {
        matches!(
            aggregate.mode(),
            AggregateMode::Single | AggregateMode::SinglePartitioned | AggregateMode::Partial
        )
    });
    match found.len() {
        1 if found[0].group_expr().is_single() => Ok(found.remove(0)),
        1 => Err(WindowQueryError::Shape(
            "GROUPING SETS, CUBE and ROLLUP are not possible".into(),
        )),
        0 => Err(WindowQueryError::Shape("there is no aggregate".into())),
        _ => Err(WindowQueryError::Shape(
            "there is more than one aggregation (DISTINCT aggregates and subqueries make one)"
                .into(),
        )),
    }
}

/// Refuses what the SQL means but a window cannot do, with reasons for whoever wrote it.
pub(super) fn check_meaning(plan: &LogicalPlan) -> Result<(), WindowQueryError> {
    if let Some(function) = unrepeatable_function(plan)? {
        return Err(WindowQueryError::Unrepeatable(function));
    }
    let mut fault = None;
    plan.apply_with_subqueries(|node| {
        fault = match node {
            LogicalPlan::Subquery(_) => Some(WindowQueryError::Shape(
                "a subquery would see one batch of rows instead of the window; put it in a layer"
                    .into(),
            )),
            LogicalPlan::Window(_) => Some(WindowQueryError::Shape(
                "OVER has no meaning in a window; put it in a layer".into(),
            )),
            LogicalPlan::Aggregate(aggregate) => {
                aggregate.aggr_expr.iter().find_map(refused_function)
            }
            _ => None,
        };
        Ok(match fault {
            Some(_) => TreeNodeRecursion::Stop,
            None => TreeNodeRecursion::Continue,
        })
    })?;
    fault.map_or(Ok(()), Err)
}

fn refused_function(expr: &LogicalExpr) -> Option<WindowQueryError> {
    let LogicalExpr::AggregateFunction(AggregateFunction { func, params }) = expr else {
        return None;
    };
    let function = func.name();
    let why = if !ALLOWED.contains(&function) {
        why_refused(function)
    } else if params.distinct {
        DISTINCT
    } else {
        return None;
    };
    Some(WindowQueryError::Aggregate {
        function: function.to_owned(),
        why,
    })
}

const DISTINCT: &str =
    "the state of DISTINCT grows with every value; use count_distinct_sketch to count them";

/// Why an aggregate that is not [`ALLOWED`] is refused, and what to use instead.
fn why_refused(function: &str) -> &'static str {
    match function {
        "approx_distinct" => {
            "the bytes of its state are not portable across versions; use count_distinct_sketch"
        }
        "approx_median" | "approx_percentile_cont" | "approx_percentile_cont_with_weight" => {
            "its state depends on how the rows were cut into batches; count(*) FILTER (WHERE …) \
             the rows of each class, and find the percentile in a layer"
        }
        "median" | "percentile_cont" => {
            "its state holds every value; count(*) FILTER (WHERE …) the rows of each class, and \
             find the percentile in a layer"
        }
        "array_agg" | "string_agg" => {
            "its state holds every value; use min, max or count_distinct_sketch"
        }
        "first_value" | "last_value" | "nth_value" => {
            "it depends on the order of rows; use min or max"
        }
        "corr" | "covar_pop" | "covar_samp" | "stddev" | "stddev_pop" | "var" | "var_pop"
        | "var_sample" => {
            "its state is floating-point and depends on the order of rows; take count(x), sum(x) \
             and sum(x * x) of whole numbers, and finish in a layer"
        }
        _ if importation::is_importation(function) => importation::WHY_NO_WINDOW,
        _ if spatial::is_spatial(function) => spatial::WHY_NO_WINDOW,
        _ => "its partial state is not known to be exact and portable across versions",
    }
}

/// Refuses arguments whose aggregation would depend on the order of rows.
pub(super) fn check_aggregates(aggregate: &AggregateExec) -> Result<(), WindowQueryError> {
    let input = aggregate.input_schema();
    for expr in aggregate.aggr_expr() {
        let function = expr.fun().name();
        let refuse = |why| {
            Err(WindowQueryError::Aggregate {
                function: function.to_owned(),
                why,
            })
        };
        // The optimizer may have brought in aggregates that the SQL does not show.
        if !ALLOWED.contains(&function) {
            return refuse(why_refused(function));
        }
        if expr.is_distinct() {
            return refuse(DISTINCT);
        }
        for argument in expr.expressions() {
            if !argument.data_type(&input)?.is_floating() {
                continue;
            }
            match function {
                "sum" => {
                    return refuse(
                        "a sum of floating-point numbers depends on the order of rows; cast to \
                         BIGINT or DECIMAL",
                    );
                }
                // avg casts whole numbers to DOUBLE itself; their sums are exact below 2^53.
                "avg" if !is_cast_whole_number(&argument, &input)? => {
                    return refuse(
                        "a sum of floating-point numbers depends on the order of rows; cast to \
                         BIGINT or DECIMAL",
                    );
                }
                "max" | "min" => {
                    return refuse(
                        "with NaN or −0.0 it depends on the order of rows; cast to BIGINT or \
                         DECIMAL",
                    );
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether `expr` is a whole number, cast.
fn is_cast_whole_number(expr: &Arc<dyn PhysicalExpr>, input: &Schema) -> Result<bool> {
    match expr.downcast_ref::<CastExpr>() {
        Some(cast) => Ok(cast.expr().data_type(input)?.is_integer()),
        None => Ok(false),
    }
}

/// `plan` with its topmost aggregate replaced by `with`.
pub(super) fn replace_aggregate(
    plan: &Arc<dyn ExecutionPlan>,
    with: &Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    Arc::clone(plan)
        .transform_down(|node| {
            if node.downcast_ref::<AggregateExec>().is_some() {
                Ok(Transformed::new(
                    Arc::clone(with),
                    true,
                    TreeNodeRecursion::Jump,
                ))
            } else {
                Ok(Transformed::no(node))
            }
        })
        .map(|transformed| transformed.data)
}
