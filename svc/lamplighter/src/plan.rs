//! plan.rs - what `up` writes into a root: the text of one svccfg session.
//!
//! Pure: paths in, text out.  The prefix goes to the service level, where every instance finds
//! it; gates and image are set only on a root that has none yet.

use std::path::Path;

use crate::place::Place;
use crate::smf::{PIPELINE, RELEASE};

/// Services whose methods lie in the prefix.
pub const SERVICES: [&str; 7] = [
    "svc:/application/builder",
    "svc:/application/builder/pipeline",
    "svc:/application/builder/release",
    "svc:/application/merger",
    "svc:/application/imager",
    "svc:/application/live",
    "svc:/application/pkg/server",
];

/// The stage that makes platforms; not on the list of a fresh pipeline.
pub const LIVE: &str = "svc:/application/live:default";

/// The service that remembers what was imported and configured.
pub const MEMORY: &str = "svc:/application/builder/pipeline";

/// The depots that the profile's script makes.
pub const DEPOTS: [&str; 4] = [
    "svc:/application/pkg/server:release",
    "svc:/application/pkg/server:illumos-build",
    "svc:/application/pkg/server:pkg5",
    "svc:/application/pkg/server:caiman",
];

/// Instances that the bundles bring.
const INSTANCES: [&str; 8] = [
    "svc:/application/builder:illumos",
    "svc:/application/builder:pkg5",
    "svc:/application/builder:caiman",
    "svc:/application/builder/pipeline:default",
    "svc:/application/builder/release:default",
    "svc:/application/merger:default",
    "svc:/application/imager:default",
    LIVE,
];

/// How a sample gate is built.
struct Gate {
    name: &'static str,
    command: &'static str,
    repository: &'static str,
    /// Below the prefix.
    inputs: &'static [&'static str],
    reads: &'static [&'static str],
}

/// What a tiny gate reads of the first one.
const HEADERS: &[&str] = &["illumos:usr/include/**", "illumos:usr/lib/crt1.o"];

const TINY: [Gate; 3] = [
    Gate {
        name: "illumos",
        command: "sh ./nightly env.sh",
        repository: "packages/i386/nightly/repo.redist",
        // The kernel's sources are the sample's.
        inputs: &["share/lamplighter/gates/illumos/usr/src/uts"],
        reads: &[],
    },
    Gate {
        name: "pkg5",
        command: "sh ./nightly env.sh",
        repository: "packages/i386/repo",
        inputs: &[],
        reads: HEADERS,
    },
    Gate {
        name: "caiman",
        command: "sh ./nightly env.sh",
        repository: "packages/i386/nightly-nd/repo.redist",
        inputs: &[],
        reads: HEADERS,
    },
];

/// What a sample gate reads of the first one: its tools, headers and the C library.
const TOOLS: &[&str] = &[
    "illumos:opt/onbld/**",
    "illumos:usr/include/**",
    "illumos:usr/lib/crt1.o",
    "illumos:usr/lib/libmini.a",
];

const SAMPLE: [Gate; 3] = [
    Gate {
        name: "illumos",
        command: "sh usr/src/tools/scripts/nightly.sh usr/src/tools/env/illumos.sh",
        repository: "packages/i386/nightly/repo.redist",
        inputs: &[],
        reads: &[],
    },
    Gate {
        name: "pkg5",
        command: "sh \"$PROTO_ILLUMOS/opt/onbld/bin/nightly\" usr/src/tools/env/pkg5.sh",
        repository: "packages/i386/repo",
        inputs: &["lib/svc/method", "lib/svc/manifest", "share/man"],
        reads: TOOLS,
    },
    Gate {
        name: "caiman",
        command: "sh \"$PROTO_ILLUMOS/opt/onbld/bin/nightly\" usr/src/tools/env/developer.sh",
        repository: "packages/i386/nightly-nd/repo.redist",
        inputs: &["bin", "lib", "share/man", "share/lamplighter/images"],
        reads: TOOLS,
    },
];

/// Where the proto area of every sample gate is.
const PROTO: &str = "proto/root_i386";

/// The gates to be configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gates<'a> {
    /// The folder that holds illumos, pkg5 and caiman.
    pub folder: &'a Path,
    /// Whether it is the tiny set.
    pub tiny: bool,
}

/// A string as svccfg reads it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Adds a line of svccfg.
pub fn set(script: &mut String, name: &str, kind: &str, values: &[String]) {
    let words: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    let value = match words.as_slice() {
        [one] => one.clone(),
        all => format!("({})", all.join(" ")),
    };
    script.push_str(&format!("setprop {name} = {kind}: {value}\n"));
}

/// The session that configures.
pub fn script(place: &Place, gates: Option<&Gates<'_>>) -> String {
    let mut script = String::new();
    let text = |path: &Path| path.display().to_string();
    for service in SERVICES {
        script.push_str(&format!("select {service}\n"));
        set(&mut script, "lamplighter/prefix", "astring", &[text(&place.prefix)]);
    }
    if let Some(gates) = gates {
        for gate in if gates.tiny { &TINY } else { &SAMPLE } {
            configure(&mut script, place, gates.folder, gate);
        }
        script.push_str("select svc:/application/imager:default\n");
        set(&mut script, "image/manifest", "astring", &[text(&place.image(gates.tiny))]);
        script.push_str(&format!("select {LIVE}\n"));
        set(&mut script, "live/manifest", "astring", &[text(&place.platform(gates.tiny))]);
    }
    for instance in INSTANCES {
        script.push_str(&format!("select {instance}\nrefresh\n"));
    }
    script
}

/// The session that puts the platform among these stages, before the release; none where it is.
pub fn with_live(stages: &[String]) -> Option<String> {
    if stages.iter().any(|fmri| fmri == LIVE) {
        return None;
    }
    let mut all = stages.to_vec();
    let place = all.iter().position(|fmri| fmri == RELEASE).unwrap_or(all.len());
    all.insert(place, LIVE.to_owned());
    let mut script = format!("select {PIPELINE}\n");
    set(&mut script, "pipeline/stages", "fmri", &all);
    Some(script + "refresh\n")
}

/// The session that remembers what was done, `imported` being the digest of the bundles: the last
/// one, so that what a full disk or a kill cut short is done again.
pub fn remember(imported: &str, gates: Option<&Path>) -> String {
    let mut script = format!("select {MEMORY}\n");
    if let Some(folder) = gates {
        set(&mut script, "lamplighter/gates", "astring", &[folder.display().to_string()]);
    }
    set(&mut script, "lamplighter/imported", "astring", &[imported.to_owned()]);
    script
}

fn configure(script: &mut String, place: &Place, folder: &Path, gate: &Gate) {
    script.push_str(&format!("select svc:/application/builder:{}\n", gate.name));
    let list = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let below = |path: &&str| place.prefix.join(path).display().to_string();
    let path = folder.join(gate.name).display().to_string();
    let inputs: Vec<String> = gate.inputs.iter().map(below).collect();
    for (name, values) in [
        ("gate", vec![path]),
        ("command", list(&[gate.command])),
        ("repository", list(&[gate.repository])),
        ("proto", list(&[PROTO])),
        ("inputs", inputs),
        ("reads", list(gate.reads)),
    ] {
        if !values.is_empty() {
            set(script, &format!("build/{name}"), "astring", &values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { root: "/r".into(), prefix: "/opt/x\"y".into() }
    }

    #[test]
    fn a_fresh_root_gets_gates_and_an_image() {
        let gates = Gates { folder: Path::new("/g"), tiny: true };
        let script = script(&place(), Some(&gates)) + &remember("abc", Some(gates.folder));
        for line in [
            "select svc:/application/pkg/server\nsetprop lamplighter/prefix = astring: \"/opt/x\\\"y\"\n",
            "select svc:/application/builder:pkg5\nsetprop build/gate = astring: \"/g/pkg5\"\n\
             setprop build/command = astring: \"sh ./nightly env.sh\"\n",
            "setprop build/reads = astring: (\"illumos:usr/include/**\" \"illumos:usr/lib/crt1.o\")\n",
            "image/manifest = astring: \"/opt/x\\\"y/share/lamplighter/images/tiny.xml\"\n",
            "live/manifest = astring: \"/opt/x\\\"y/share/lamplighter/images/live_tiny.manifest\"\n",
            "lamplighter/gates = astring: \"/g\"\n",
        ] {
            assert!(script.contains(line), "{line}\nis not in\n{script}");
        }
        assert!(!script.contains("build/environment"), "what is empty stays as the bundle has it");
    }

    #[test]
    fn the_sample_s_commands_are_quoted() {
        let gates = Gates { folder: Path::new("/g"), tiny: false };
        let script = script(&place(), Some(&gates));
        let line = r#"build/command = astring: "sh \"$PROTO_ILLUMOS/opt/onbld/bin/nightly\" usr"#;
        assert!(script.contains(line), "{script}");
        assert!(script.contains("slim_cd_x86.xml"), "{script}");
    }

    #[test]
    fn the_platform_is_a_stage_once_and_before_the_release() {
        let stages = ["svc:/application/imager:default", RELEASE].map(str::to_owned);
        let want = format!(
            "select {PIPELINE}\nsetprop pipeline/stages = fmri: \
             (\"svc:/application/imager:default\" \"{LIVE}\" \"{RELEASE}\")\nrefresh\n"
        );
        assert_eq!(with_live(&stages), Some(want));
        assert_eq!(with_live(&[LIVE.to_owned()]), None);
    }

    #[test]
    fn a_root_that_is_configured_keeps_its_gates() {
        let script = script(&place(), None);
        assert!(!script.contains("build/gate") && !script.contains("image/manifest"), "{script}");
        assert!(!script.contains("lamplighter/imported"), "remembered last, by itself: {script}");
        assert!(remember("abc", None).ends_with("lamplighter/imported = astring: \"abc\"\n"));
        assert_eq!(script.matches("\nrefresh\n").count(), 8);
    }
}
