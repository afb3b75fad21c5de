//! why.rs - what failed and why: svcs -x, with what the log of each service says.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;

use crate::logs::{self, TAIL};
use crate::smf::Smf;

/// One service that svcs -x explains.
#[derive(Debug, PartialEq, Eq)]
struct Explained<'a> {
    text: &'a str,
    log: Option<&'a str>,
}

/// Explains an instance, or whatever needs it.
pub fn print(smf: &Smf<'_>, operand: Option<&str>) -> Result<()> {
    let mut arguments = vec!["-xv"];
    arguments.extend(operand);
    let said = smf.must("svcs", &arguments)?.out;
    let text = explain(&said, &|log| logs::read(Path::new(log)));
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// The paragraphs of svcs -x.
fn parse(text: &str) -> Vec<Explained<'_>> {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty());
    let log = |paragraph: &'_ str| -> Option<usize> {
        paragraph.rfind("   See: /").map(|at| at + "   See: ".len())
    };
    paragraphs
        .map(|paragraph| {
            let at = log(paragraph);
            let log = at.and_then(|at| paragraph[at..].lines().next());
            Explained { text: paragraph.trim_end(), log }
        })
        .collect()
}

fn explain(text: &str, read: &dyn Fn(&str) -> String) -> String {
    let mut out = String::new();
    let all = parse(text);
    if all.is_empty() {
        return "every enabled service runs\n".to_owned();
    }
    for (position, one) in all.iter().enumerate() {
        if position > 0 {
            out.push('\n');
        }
        // Writing to a string does not fail.
        let _ok = writeln!(out, "{}", one.text);
        let Some(log) = one.log else { continue };
        let text = read(log);
        if let Some(line) = logs::last_own(&text) {
            let _ok = writeln!(out, "  Last: {line}");
        }
        for line in logs::last_run(&text, TAIL) {
            let _ok = writeln!(out, "   Log: {line}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
svc:/application/builder:illumos (gate to packages)
 State: maintenance since Tue Nov 24 09:56:06 2026
Reason: Start method exited with $SMF_EXIT_ERR_FATAL.
   See: http://illumos.org/msg/SMF-8000-KS
   See: /r/var/svc/log/application-builder:illumos.log
Impact: 1 dependent service is not running:
        svc:/application/merger:default

svc:/application/x:default (?)
 State: offline
Impact: This service is not running.
";

    #[test]
    fn the_message_of_the_compiler_stands_with_its_service() {
        let read = |path: &str| {
            assert_eq!(path, "/r/var/svc/log/application-builder:illumos.log");
            "[ a ]\ntrue.c:3: error: x\n[ b ]\n".to_owned()
        };
        let out = explain(SAID, &read);
        let (first, second) = out.split_once("\n\n").unwrap();
        assert!(first.contains("\n  Last: true.c:3: error: x\n   Log: [ a ]\n"), "{first}");
        assert!(second.ends_with("Impact: This service is not running.\n"), "{second}");
        assert_eq!(explain("", &read), "every enabled service runs\n");
    }
}
