//! Compiles the regular expressions of conditions once. CEL's own `matches` compiles its pattern at every call,
//! which takes longer than all the rest of a policy.

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::common::types::{CelBool, CelString};
use cel::common::value::CowVal;
use cel::{Context, DeclarationError, ExecutionError};
use regex::Regex;

use super::functions::Function;

/// Replaces each `text.matches("…")` by a function that holds the compiled pattern; patterns that are not
/// literals stay as they are.
///
/// # Errors
/// None in practice: the crate would have to declare functions of the same name.
pub(super) fn compile(
    expr: &mut IdedExpr,
    root: &mut Context<'_, '_>,
    count: &mut usize,
) -> Result<(), DeclarationError> {
    match &mut expr.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
        Expr::Select(select) => compile(&mut select.operand, root, count)?,
        Expr::List(list) => {
            for element in &mut list.elements {
                compile(element, root, count)?;
            }
        }
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    compile(&mut entry.key, root, count)?;
                    compile(&mut entry.value, root, count)?;
                }
            }
        }
        Expr::Comprehension(inner) => {
            for part in [
                &mut inner.iter_range,
                &mut inner.accu_init,
                &mut inner.loop_cond,
                &mut inner.loop_step,
                &mut inner.result,
            ] {
                compile(part, root, count)?;
            }
        }
        Expr::Call(call) => {
            for part in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
                compile(part, root, count)?;
            }
            if let (
                "matches",
                Some(_),
                [
                    IdedExpr {
                        expr: Expr::Literal(LiteralValue::String(pattern)),
                        ..
                    },
                ],
            ) = (call.func_name.as_str(), &call.target, call.args.as_slice())
                && let Ok(regex) = Regex::new(pattern.inner())
            {
                *count += 1;
                call.func_name = format!("@matches_{count}"); // no expression can write this name
                call.args.clear();
                root.add_function(&call.func_name, matcher(regex))?;
            }
        }
    }
    Ok(())
}

fn matcher(regex: Regex) -> Function {
    Box::new(move |call| {
        let text = call
            .this
            .as_ref()
            .and_then(|this| this.downcast_ref::<CelString>());
        if let Some(text) = text {
            return Ok(CowVal::owned(CelBool::from(regex.is_match(text.inner()))));
        }
        let this = call
            .this
            .as_ref()
            .map_or("nothing", |this| this.get_type().name());
        let types = vec![this.to_owned(), "string".to_owned()];
        Err(ExecutionError::no_such_member_overload("matches", types))
    })
}
