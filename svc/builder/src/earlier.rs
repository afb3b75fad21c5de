//! earlier.rs - the proto areas of earlier gates: which of them this gate reads, and their digest.
//!
//! `build/reads` holds GATE:GLOB; without any, all of every earlier gate is read.  Earlier gates
//! are the builders this one requires.  Law: a proto area that is not digested is not shown to
//! the build.

use std::collections::BTreeMap;
use std::path::PathBuf;

use stage::{Failure, Files, Globs, Input, Recipe, Stage, StatCache};

/// What a build reads of earlier gates.
#[derive(Debug, Default)]
pub struct Earlier {
    inputs: BTreeMap<String, Input>,
}

impl Earlier {
    /// Resolves what is read, and adds it to the recipe.
    pub fn resolve(
        stage: &Stage,
        recipe: &mut Recipe,
        cache: &mut StatCache,
    ) -> Result<Earlier, Failure> {
        let required = stage.required("application/builder");
        let reads = reads(&stage.properties().list("build/reads"), &required)?;
        let globs_of =
            |gate: &String| reads.get(gate).cloned().or(reads.is_empty().then(Globs::default));
        let read = required.into_iter().filter_map(|gate| Some((globs_of(&gate)?, gate)));
        let read: Vec<(Globs, String)> = read.collect();
        let stages: Vec<String> = read.iter().map(|(_, gate)| format!("builder/{gate}")).collect();
        let mut inputs = BTreeMap::new();
        for ((globs, gate), input) in read.into_iter().zip(stage.inputs(&stages)?) {
            let proto = input.path().join("proto");
            if !proto.is_dir() {
                if globs == Globs::default() {
                    continue;
                }
                return Err(Failure::configuration(format!(
                    "build/reads: builder:{gate} has no proto area"
                )));
            }
            let digest = if globs == Globs::default() {
                input.part("proto").to_owned()
            } else {
                cache.scan(&proto, Files::Matching(&globs))?.digest()
            };
            recipe.add(format!("proto of {gate}"), digest);
            inputs.insert(gate, input);
        }
        Ok(Earlier { inputs })
    }

    /// `PROTO_GATE` → proto area.
    pub fn environment(&self) -> BTreeMap<String, PathBuf> {
        let variable =
            |gate: &str| format!("PROTO_{}", gate.to_uppercase().replace(['-', '.'], "_"));
        self.inputs
            .iter()
            .map(|(gate, input)| (variable(gate), input.path().join("proto")))
            .collect()
    }

    /// What is held.
    pub fn inputs(&self) -> Vec<&Input> {
        self.inputs.values().collect()
    }

    /// The newest time of their sources.
    pub fn source_date(&self) -> Option<i64> {
        self.inputs.values().filter_map(|input| input.stamp().source_date).max()
    }
}

/// Gate → globs.
fn reads(values: &[&str], required: &[String]) -> Result<BTreeMap<String, Globs>, Failure> {
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for value in values {
        let bad = |why: &str| Failure::configuration(format!("build/reads: \"{value}\": {why}"));
        let (gate, glob) = value.split_once(':').ok_or_else(|| bad("not GATE:GLOB"))?;
        if !required.iter().any(|name| name == gate) {
            return Err(bad(&format!("this instance does not depend on builder:{gate}")));
        }
        found.entry(gate.to_owned()).or_default().push(glob);
    }
    Ok(found.into_iter().map(|(gate, globs)| (gate, Globs::new(globs))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read() {
        let required = ["illumos".to_string(), "pkg5".to_string()];
        let found =
            reads(&["illumos:usr/include/**", "illumos:usr/lib/crt1.o"], &required).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found["illumos"].matches("usr/lib/crt1.o"));
        assert!(!found["illumos"].matches("usr/lib/libc.so"));
        for (value, text) in
            [("usr/include", "not GATE:GLOB"), ("other:usr", "does not depend on builder:other")]
        {
            let failure = reads(&[value], &required).unwrap_err();
            assert!(failure.to_string().contains(text), "{failure}");
        }
    }
}
