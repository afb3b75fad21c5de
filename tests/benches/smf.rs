//! smf.rs - how long the four commands take, each as a whole process.
//!
//! Run: `cargo build --release -p smf-cmd -p smf-startd && cargo bench -p tests --bench smf`
//! Parts by name: `... --bench smf -- import 1000 10000` (all, when none is said).
//! Prints minimum, median and maximum of several runs, the goal, and the median's ratio to it;
//! asserts nothing of time.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tests::smf::Root;

const RUNS: usize = 25;

fn report(what: &str, goal_ms: f64, mut runs: Vec<Duration>) {
    runs.sort();
    let ms = |index: usize| runs[index].as_secs_f64() * 1e3;
    let (least, median, most) = (ms(0), ms(runs.len() / 2), ms(runs.len() - 1));
    let ratio = median / goal_ms;
    println!(
        "{what:<50} min {least:>8.2}  median {median:>8.2}  max {most:>8.2} ms  goal {goal_ms:>6.0}  ratio {ratio:>5.2}"
    );
}

/// How long one run takes; it must succeed.
fn once(root: &Root, program: &str, arguments: &[&str]) -> Duration {
    let start = Instant::now();
    let said = root.run(program, arguments);
    let took = start.elapsed();
    assert_eq!(said.status, 0, "{program} {arguments:?}: {}", said.err);
    took
}

fn several(root: &Root, program: &str, arguments: &[&str]) -> Vec<Duration> {
    (0..RUNS).map(|_| once(root, program, arguments)).collect()
}

/// A service like those that people write: two dependencies, three methods, a template.
fn service(number: usize) -> String {
    format!(
        r#"<service name='site/bench/s{number}' type='service' version='1'>
  <create_default_instance enabled='false'/>
  <single_instance/>
  <dependency name='network' grouping='require_all' restart_on='error' type='service'>
    <service_fmri value='svc:/site/bench/s{before}'/>
  </dependency>
  <dependency name='passwd' grouping='require_all' restart_on='none' type='path'>
    <service_fmri value='file://localhost/etc/passwd'/>
  </dependency>
  <exec_method type='method' name='start' exec='/usr/bin/true %m' timeout_seconds='60'/>
  <exec_method type='method' name='stop' exec=':kill' timeout_seconds='60'/>
  <exec_method type='method' name='refresh' exec=':true' timeout_seconds='60'/>
  <property_group name='config' type='application'>
    <propval name='port' type='count' value='{number}'/>
    <propval name='directory' type='astring' value='/var/site/{number}'/>
    <property name='listen' type='astring'>
      <astring_list><value_node value='127.0.0.1'/><value_node value='::1'/></astring_list>
    </property>
  </property_group>
  <stability value='Evolving'/>
  <template>
    <common_name><loctext xml:lang='C'>bench service {number}</loctext></common_name>
    <documentation><manpage title='true' section='1' manpath='/usr/share/man'/></documentation>
  </template>
</service>
"#,
        before = number.saturating_sub(1),
    )
}

fn write_bundle(path: &Path, numbers: std::ops::Range<usize>) {
    let mut text = String::from(
        "<?xml version='1.0'?>\n<!DOCTYPE service_bundle SYSTEM \
         '/usr/share/lib/xml/dtd/service_bundle.dtd.1'>\n",
    );
    writeln!(text, "<service_bundle type='manifest' name='bench'>").unwrap();
    numbers.for_each(|number| text += &service(number));
    text += "</service_bundle>\n";
    fs::write(path, text).unwrap();
}

/// A directory of 500 bundles, imported into a fresh root and once more without a change.
fn import() {
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let root = Root::up();
        let folder = root.scratch().join("bundles");
        fs::create_dir(&folder).unwrap();
        for number in 0..500 {
            write_bundle(&folder.join(format!("s{number}.xml")), number..number + 1);
        }
        let folder = folder.to_str().unwrap();
        first.push(once(&root, "svccfg", &["import", folder]));
        again.push(once(&root, "svccfg", &["import", folder]));
        let listed = root.run("svcs", &["-H", "svc:/site/bench/*"]).ok();
        assert_eq!(listed.lines().count(), 500, "{listed}");
    }
    report("svccfg import of 500 bundles", 1_000.0, first);
    report("svccfg import of 500 bundles, nothing changed", 200.0, again);
}

/// The readers, on a root of this many instances.
fn read(instances: usize, goal_ms: f64) {
    let root = Root::up();
    for first in (0..instances).step_by(1_000) {
        let bundle = root.scratch().join(format!("from{first}.xml"));
        write_bundle(&bundle, first..first + 1_000);
        once(&root, "svccfg", &["import", bundle.to_str().unwrap()]);
    }
    let listed = root.run("svcs", &["-H", "svc:/site/bench/*"]).ok();
    assert_eq!(listed.lines().count(), instances);
    let fmri = format!("svc:/site/bench/s{}:default", instances / 2);
    let one = |how: &str, options: &[&str]| {
        let arguments = [options, &["-p", "config/port", &fmri]].concat();
        let runs = several(&root, "svcprop", &arguments);
        report(
            &format!("svcprop {}-p pg/prop FMRI of {instances}{how}", options.join(" ")),
            3.0,
            runs,
        );
    };
    report(&format!("svcs -a, {instances} instances"), goal_ms, several(&root, "svcs", &["-a"]));
    report(
        &format!("svcs, {instances} instances, none enabled"),
        goal_ms,
        several(&root, "svcs", &[]),
    );
    one("", &[]);
    root.end(libc::SIGTERM);
    let runs = several(&root, "svcs", &["-a"]);
    report(&format!("svcs -a, {instances} instances, engine down"), goal_ms, runs);
    one(", engine down", &[]);
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let parts: [(&str, fn()); 3] =
        [("import", import), ("1000", || read(1_000, 10.0)), ("10000", || read(10_000, 60.0))];
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            part();
        }
    }
}
