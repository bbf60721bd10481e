//! A document for people, on a terminal: the goals, and what was left out.

use super::{
    document::Document,
    figure::{Better, Goal},
    lab::section_name,
};
use crate::output::{Table, clean};
use std::fmt::{self, Display, Formatter};

pub(crate) struct Text<'a>(pub(crate) &'a Document);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let document = self.0;
        let mut table = Table::default();
        table.row(["GOAL", "OF", "BACKEND", "FIGURE", "BOUND", "MET"]);
        for goal in &document.goals {
            let (value, bound) = (value(goal), bound(goal));
            let names = [&*goal.name, &goal.subject, &goal.backend];
            table.row(names.into_iter().chain([&*value, &bound, met(goal)]));
        }
        if !document.goals.is_empty() {
            writeln!(f, "{table}")?;
        }
        for left_out in &document.left_out {
            let section = section_name(left_out.section);
            let (what, reason) = (clean(&left_out.what), clean(&left_out.reason));
            writeln!(f, "not measured in {section}: {what}: {reason}")?;
        }
        let met = document.goals.iter().filter(|goal| goal.met == Some(true)).count();
        writeln!(
            f,
            "{} figures; {met} of {} goals met, {} not measured",
            document.figures.len(),
            document.goals.len(),
            document.goals.iter().filter(|goal| goal.met.is_none()).count()
        )
    }
}

pub(super) fn value(goal: &Goal) -> String {
    goal.value().map_or("–".into(), |value| goal.unit.show(value))
}

pub(super) fn bound(goal: &Goal) -> String {
    let sign = if goal.better == Better::More { "≥" } else { "≤" };
    goal.bound().map_or("–".into(), |bound| format!("{sign} {}", goal.unit.show(bound)))
}

pub(super) fn met(goal: &Goal) -> &'static str {
    match goal.met {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not measured",
    }
}
