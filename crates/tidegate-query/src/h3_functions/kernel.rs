//! The adapter between a small pure function on one row and a DataFusion scalar function.
//!
//! A [`Definition`] names its parameters and its result, and computes one row in its [`Kernel`].
//! Everything else happens once, here: types of arguments, scalars beside arrays, NULL in NULL
//! out, a clear error for bad input and its `try_` twin, bounds on memory, documentation.

mod column;
mod fault;
mod memo;
mod sink;
mod types;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use column::Column;
use memo::Memo;
use sink::Sink;

pub(crate) use column::Row;
pub(crate) use fault::{Fault, quoted};
pub(crate) use sink::Output;
pub(crate) use types::{Kind, Parameter, Returns, struct_fields};

/// Computes one row of which no argument is NULL, but where the parameter takes it.
pub(crate) type Kernel = fn(&Row<'_>) -> Result<Output, Fault>;

/// One SQL function.
#[derive(Debug)]
pub(crate) struct Definition {
    /// The SQL name.
    pub(crate) name: &'static str,
    /// The parameters in order, at least one.
    pub(crate) parameters: &'static [Parameter],
    /// The type of the result.
    pub(crate) returns: Returns,
    /// Whether some input is refused.
    pub(crate) domain: Domain,
    /// The function itself.
    pub(crate) kernel: Kernel,
    /// What it promises, in Markdown.
    pub(crate) about: &'static str,
    /// A call, and what it gives as text; both are tested.
    pub(crate) example: (&'static str, &'static str),
}

/// Whether a function refuses some input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// Refuses some: it has a `try_` twin that gives NULL for it.
    Partial,
    /// Answers for every input that is not NULL.
    Total,
}

/// The name of the section that a function is documented in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section(pub(crate) &'static str);

/// Whether rows of a batch with equal arguments are computed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sharing {
    /// Each row is computed: for functions that cost less than a look-up.
    Never,
    /// They are: for functions of at most four numbers that search for a root or a quantile.
    EqualRows,
}

/// The functions of `definitions`, each with its `try_` twin where it has one.
pub(crate) fn functions(
    definitions: &'static [Definition],
    section: Section,
    sharing: Sharing,
) -> Vec<ScalarUDF> {
    let mut functions = Vec::with_capacity(definitions.len() * 2);
    let mut add = |definition, on_fault| {
        let function = KernelFunction::new(definition, section, (on_fault, sharing));
        functions.push(function.into());
    };
    for definition in definitions {
        add(definition, OnFault::Fail);
        if definition.domain == Domain::Partial {
            add(definition, OnFault::Null);
        }
    }
    functions
}

/// What bad input becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum OnFault {
    Fail,
    Null,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct KernelFunction {
    name: String,
    definition: ByName,
    on_fault: OnFault,
    sharing: Sharing,
    signature: Signature,
    documentation: Documentation,
}

impl KernelFunction {
    fn new(
        definition: &'static Definition,
        section: Section,
        (on_fault, sharing): (OnFault, Sharing),
    ) -> Self {
        let name = match on_fault {
            OnFault::Fail => definition.name.to_owned(),
            OnFault::Null => format!("try_{}", definition.name),
        };
        Self {
            documentation: document(definition, section, &name, on_fault),
            signature: Signature::new(
                types::signature(definition.parameters),
                Volatility::Immutable,
            ),
            definition: ByName(definition),
            on_fault,
            sharing,
            name,
        }
    }

    fn evaluate(
        &self,
        columns: &[Column<'_>],
        rows: usize,
        returns: &DataType,
    ) -> Result<ArrayRef> {
        let definition = self.definition.0;
        let mut sink = Sink::try_new(returns, rows)?;
        let mut row = Row::with_capacity(columns.len());
        let mut memo = (self.sharing == Sharing::EqualRows).then(Memo::default);
        for row_idx in 0..rows {
            if !row.fill(columns, row_idx) {
                sink.push_null();
                continue;
            }
            let result = match &mut memo {
                None => (definition.kernel)(&row),
                Some(memo) => memo.result(&row, definition.kernel),
            };
            match result {
                Ok(output) => sink.push(&self.name, output)?,
                Err(fault) => match self.on_fault {
                    OnFault::Null => sink.push_null(),
                    OnFault::Fail => {
                        let name = &self.name;
                        return exec_err!("{name}: {fault} (try_{name} gives NULL instead)");
                    }
                },
            }
        }
        sink.finish()
    }
}

impl ScalarUDFImpl for KernelFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        // What cannot be coerced is left to `return_type`: an error from there reaches the user as
        // it is, one from here is wrapped as an internal error of DataFusion.
        Ok(
            types::coerce(&self.name, self.definition.0.parameters, arg_types)
                .unwrap_or_else(|_| arg_types.to_vec()),
        )
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let coerced = types::coerce(&self.name, self.definition.0.parameters, arg_types)?;
        Ok(self.definition.0.returns.data_type(&coerced))
    }

    fn is_strict(&self) -> bool {
        let mut parameters = self.definition.0.parameters.iter();
        !parameters.any(|parameter| parameter.kind.takes_null())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
        let all_constant = args.args.iter().all(constant);
        let rows = if all_constant { 1 } else { args.number_rows };
        let arrays = args
            .args
            .iter()
            .map(|value| match value {
                ColumnarValue::Array(array) => Ok(Arc::clone(array)),
                ColumnarValue::Scalar(scalar) => scalar.to_array(),
            })
            .collect::<Result<Vec<_>>>()?;
        let columns = arrays
            .iter()
            .zip(&args.args)
            .zip(self.definition.0.parameters)
            .map(|((array, value), parameter)| {
                Column::try_new(array.as_ref(), constant(value), parameter)
            })
            .collect::<Result<Vec<_>>>()?;
        let result = self.evaluate(&columns, rows, args.return_type())?;
        Ok(if all_constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)
        } else {
            ColumnarValue::Array(result)
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn document(
    definition: &Definition,
    section: Section,
    name: &str,
    on_fault: OnFault,
) -> Documentation {
    let names: Vec<_> = definition.parameters.iter().map(|p| p.name).collect();
    let about = match on_fault {
        OnFault::Fail => definition.about.to_owned(),
        OnFault::Null => format!(
            "As {}, but NULL where that refuses its input. {}",
            definition.name, definition.about
        ),
    };
    let section = DocSection {
        include: true,
        label: section.0,
        description: None,
    };
    let (call, result) = definition.example;
    // The twin's example is the same call under its own name.
    let call = call.replacen(definition.name, name, 1);
    let syntax = format!("{name}({})", names.join(", "));
    let mut builder = Documentation::builder(section, about, syntax)
        .with_sql_example(format!("SELECT {call}; -- {result}"));
    for parameter in definition.parameters {
        builder = builder.with_argument(parameter.name, parameter.about);
    }
    builder.build()
}

/// A definition, told apart by its name: names are unique, function pointers are not.
#[derive(Clone, Copy)]
struct ByName(&'static Definition);

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for ByName {}

impl Hash for ByName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}
