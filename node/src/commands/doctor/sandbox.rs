//! Which measures hold on this machine: each tried in a worker of its own, and all together in one.

use super::surroundings;
use crate::{
    failure::Failure,
    output::{Table, clean},
    progress::Bar,
};
use pvf_host_core::{
    Config, StartError,
    sandbox::{Findings, Measure, Measures, State},
    try_sandbox,
};
use serde::Serialize;

/// What was found out.
#[derive(Debug)]
pub(super) struct Diagnosis {
    /// In the order of [`Measure::ALL`].
    alone: Vec<State>,
    /// What workers get.
    together: Findings,
    /// What there is about this machine that may be the reason of something missing.
    here: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct SandboxJson {
    secure: bool,
    /// Of each of these, one measure has to hold before it is secure.
    still_needed: Vec<Vec<&'static str>>,
    measures: Vec<MeasureJson>,
    /// What there is about this machine that may be the reason of something missing.
    here: Vec<String>,
}

#[derive(Debug, Serialize)]
struct MeasureJson {
    name: &'static str,
    about: &'static str,
    #[serde(flatten)]
    together: StateJson,
    alone: StateJson,
    needs: &'static str,
}

#[derive(Debug, Serialize)]
struct StateJson {
    /// `holds`, `not_needed` or `missing`.
    state: String,
    /// More about it, or why it is so. It may be empty.
    detail: String,
}

impl StateJson {
    fn new(state: &State) -> Self {
        let (words, detail) = parts(state);
        Self { state: words.replace(' ', "_"), detail: detail.to_owned() }
    }
}

/// A state in words, and what there is to say about it.
fn parts(state: &State) -> (&'static str, &str) {
    match state {
        State::Holds(more) | State::HoldsInPart(more) => ("holds", more),
        State::NotNeeded(why) => ("not needed", why),
        State::SwitchedOff => ("switched off", ""),
        State::Missing(why) => ("missing", why),
    }
}

impl Diagnosis {
    /// Starts workers as a host with this configuration would.
    pub(super) async fn make(config: &Config) -> Result<Self, Failure> {
        let mut bar = Bar::start(Measure::ALL.len() as u64 + 1);
        let mut alone = vec![];
        for (done, measure) in Measure::ALL.iter().enumerate() {
            bar.say(format!("trying {measure}"));
            alone.push(try_alone(config, *measure).await);
            bar.advance(done as u64 + 1, None);
        }
        bar.say("trying all together");
        let together = match try_sandbox(config).await {
            Ok(findings) => findings,
            // A worker can be started without any, as the caller has seen.
            Err(StartError::Worker(reason)) => nothing_holds(&reason),
            Err(error) => return Err(error.into()),
        };
        let here = if together.wanting().next().is_some() { surroundings::look() } else { vec![] };
        Ok(Self { alone, together, here })
    }

    pub(super) fn is_secure(&self) -> bool {
        self.together.is_secure()
    }

    fn still_needed(&self) -> Vec<Vec<&'static str>> {
        let names = |one_of: &[Measure]| one_of.iter().map(|measure| measure.name()).collect();
        self.together.still_needed().map(names).collect()
    }

    pub(super) fn to_json(&self) -> SandboxJson {
        let measures = self.together.iter().zip(&self.alone).map(|(finding, alone)| MeasureJson {
            name: finding.measure.name(),
            about: finding.measure.about(),
            together: StateJson::new(&finding.state),
            alone: StateJson::new(alone),
            needs: finding.measure.needs(),
        });
        SandboxJson {
            secure: self.is_secure(),
            still_needed: self.still_needed(),
            measures: measures.collect(),
            here: self.here.clone(),
        }
    }

    pub(super) fn describe(&self) -> String {
        let mut table = Table::default();
        table.row(["MEASURE", "ALONE", "TOGETHER", ""]);
        for (finding, alone) in self.together.iter().zip(&self.alone) {
            let (state, detail) = parts(&finding.state);
            table.row([finding.measure.name(), parts(alone).0, state, detail]);
        }
        let mut text = table.to_string();
        for (finding, alone) in self.together.iter().zip(&self.alone) {
            let State::Missing(why) = &finding.state else { continue };
            let measure = finding.measure;
            text.push_str(&format!("\n{measure} is missing: {}\n", clean(why)));
            text.push_str(&format!("  what   {}\n", measure.about()));
            text.push_str(&format!("  needs  {}\n", measure.needs()));
            if alone != &finding.state {
                text.push_str(&format!("  alone  {}\n", clean(&alone.to_string())));
            }
        }
        if !self.here.is_empty() {
            text.push_str("\nWhat may be the reason here:\n");
            for remark in &self.here {
                text.push_str(&format!("  {remark}\n"));
            }
        }
        text.push_str(&format!("\n{}\n", self.conclusion()));
        text
    }

    fn conclusion(&self) -> String {
        let needed: Vec<_> = self.still_needed().iter().map(|one_of| one_of.join(" or ")).collect();
        if needed.is_empty() {
            "Secure: untrusted code is kept in.".into()
        } else {
            let needed = needed.join(", and ");
            format!("Not secure: to keep untrusted code in, it takes {needed}.")
        }
    }
}

async fn try_alone(config: &Config, measure: Measure) -> State {
    let needed = measure.presupposes().iter().fold(Measures::none(), |set, it| set.with(*it));
    let sandbox = config.sandbox().clone().only(needed.with(measure));
    let config = match config.to_builder().sandbox(sandbox).build() {
        Ok(config) => config,
        Err(error) => return State::Missing(error.to_string()),
    };
    match try_sandbox(&config).await {
        Ok(findings) => findings
            .state(measure)
            .cloned()
            .unwrap_or_else(|| State::Missing("the worker does not speak of it".into())),
        Err(error) => State::Missing(error.to_string()),
    }
}

fn nothing_holds(reason: &str) -> Findings {
    let mut findings = Findings::default();
    for measure in Measure::ALL {
        findings.record(*measure, State::Missing(reason.to_owned()));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosis(missing: &[Measure]) -> Diagnosis {
        let mut together = Findings::default();
        for measure in Measure::ALL {
            together.record(*measure, State::Holds(String::new()));
        }
        for measure in missing {
            together.record(*measure, State::Missing("of no\nreason".into()));
        }
        let alone = together.iter().map(|finding| finding.state).collect();
        Diagnosis { alone, together, here: vec![] }
    }

    #[test]
    fn each_measure_that_is_missing_is_explained() {
        let text = diagnosis(&[Measure::Landlock, Measure::OwnUser]).describe();
        for measure in Measure::ALL {
            let is_missing = matches!(measure, Measure::Landlock | Measure::OwnUser);
            let says_what_it_needs = text.contains(&format!("  needs  {}\n", measure.needs()));
            assert_eq!(says_what_it_needs, is_missing, "{measure}: {text}");
            assert!(text.contains(&format!("\n{measure} ")), "{text}");
        }
        assert!(text.contains("\nlandlock is missing: of no\\nreason\n"), "{text}");
        assert!(text.ends_with("\n\nSecure: untrusted code is kept in.\n"), "{text}");
    }

    #[test]
    fn the_last_line_says_what_would_make_it_secure() {
        let last_line =
            |missing: &[Measure]| diagnosis(missing).describe().lines().last().unwrap().to_owned();
        assert_eq!(
            last_line(&[Measure::Landlock, Measure::EmptyRoot, Measure::SystemCallFilter]),
            "Not secure: to keep untrusted code in, it takes system-call-filter, and empty-root or \
             landlock."
        );
        assert_eq!(
            last_line(&[Measure::SystemCallFilter]),
            "Not secure: to keep untrusted code in, it takes system-call-filter."
        );
    }

    #[test]
    fn programs_read_the_same() {
        let json = serde_json::to_value(diagnosis(&[Measure::Landlock]).to_json()).unwrap();
        assert_eq!(json["secure"], true);
        let measures = json["measures"].as_array().unwrap();
        assert_eq!(measures.len(), Measure::ALL.len());
        let landlock = measures.iter().find(|it| it["name"] == "landlock").unwrap();
        assert_eq!(landlock["state"], "missing");
        assert_eq!(landlock["detail"], "of no\nreason");
        assert_eq!(landlock["alone"]["state"], "missing");
    }
}
