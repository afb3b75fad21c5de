//! Whom, where and with what a method runs: method contexts on a real host.

#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

mod process;

use std::fs;

use process::{Engine, group};

/// Runs `id`, and what else tells, in a context; the output is the log without the engine's lines.
fn seen(engine: &Engine, name: &str, context: &[(&str, &str, &str)]) -> Vec<String> {
    let fmri = format!("svc:/site/{name}:default");
    let start = "/bin/sh -c 'echo $(id -u) $(id -g) $(id -G); pwd; umask; ulimit -n; \
                 grep -E \"Cap(Eff|Bnd|Amb)\" /proc/self/status; cat /proc/self/personality; \
                 cat /proc/self/cgroup'";
    let context = group("framework", context);
    engine.add_with(&fmri, start, "transient", vec![("method_context", context)]);
    engine.await_state(&fmri, "online");
    let log = engine.log(&format!("site-{name}:default.log"));
    log.lines().filter(|line| !line.starts_with("[ ")).map(str::to_owned).collect()
}

fn value(output: &[String], name: &str) -> u64 {
    let line = output.iter().find_map(|line| line.strip_prefix(name)).unwrap();
    u64::from_str_radix(line.trim_start_matches(':').trim(), 16).unwrap()
}

#[test]
fn what_a_context_gives() {
    if !nix::unistd::geteuid().is_root() {
        println!("not root: contexts not tested");
        return;
    }
    let engine = Engine::prepared(&[], |root| {
        fs::create_dir_all(root.join("etc/default")).unwrap();
        fs::write(root.join("etc/default/init"), "CMASK=027\n").unwrap();
        fs::create_dir_all(root.join("etc/security")).unwrap();
        let profile = "Site Work:solaris:cmd:::/bin/*:uid=nobody;privs=basic,net_privaddr\n";
        fs::write(root.join("etc/security/exec_attr"), profile).unwrap();
    });
    let as_nobody = ("user", "astring", "nobody");
    let own = ("use_profile", "boolean", "false");
    let there = ("working_directory", "astring", "/tmp");
    let (net, chown) = (1 << 10, 1 << 0);

    let output = seen(&engine, "plain", &[there]);
    assert_eq!(["0 0", "/tmp", "0027"], [&output[0][..3], &output[1], &output[2]]);
    let all = value(&output, "CapBnd");
    assert_eq!(all, value(&output, "CapEff"));

    let context = [own, as_nobody, there, ("supp_groups", "astring", "daemon bin")];
    let output = seen(&engine, "user", &context);
    assert!(output[0].starts_with("65534 65534 65534"), "{output:?}");
    assert_eq!(3 + 2, output[0].split(' ').count(), "{output:?}");
    assert_eq!((0, all), (value(&output, "CapEff"), value(&output, "CapBnd")));

    let privileges = ("privileges", "astring", "basic,!proc_info,net_privaddr");
    let limit = ("limit_privileges", "astring", "basic,net_privaddr,file_chown");
    let output = seen(&engine, "privileges", &[own, as_nobody, there, privileges, limit]);
    assert_eq!((net, net), (value(&output, "CapEff"), value(&output, "CapAmb")));
    assert_eq!(net | chown, value(&output, "CapBnd"));
    let log = engine.log("site-privileges:default.log");
    assert!(
        log.contains(" Privileges \"!proc_info\" ignored: they have no equal here. ]"),
        "{log}"
    );

    let root = ("user", "astring", "root");
    let output = seen(&engine, "root", &[own, root, there, privileges]);
    assert_eq!((net, net), (value(&output, "CapEff"), value(&output, "CapBnd")));

    let profile = [("use_profile", "boolean", "true"), ("profile", "astring", "Site Work"), there];
    let output = seen(&engine, "profile", &profile);
    assert_eq!((true, net), (output[0].starts_with("65534 "), value(&output, "CapEff")));

    let flags = ("security_flags", "astring", "-aslr");
    let project = ("project", "astring", "site.test");
    let output = seen(&engine, "fixed", &[there, flags, project]);
    assert!(output.contains(&"00040000".to_owned()), "{output:?}");
    let log = engine.log("site-fixed:default.log");
    let ignored = log.contains("Project \"site.test\" ignored");
    let inside = output.iter().any(|line| line.contains("/lamplighter-project-site.test/"));
    assert!(ignored != inside, "{log}");
    engine.end();
    if let Some(own) = smf_contract::cgroup::own_directory() {
        // A project's group outlives its contracts, and this project is nobody's.
        let _absent = fs::remove_dir(own.join("lamplighter-project-site.test"));
    }
}

#[test]
fn what_cannot_be_set() {
    let engine = Engine::new(&[]);
    let own = ("use_profile", "boolean", "false");
    let status = "Method \"start\" exited with status 96.";
    for (name, context, line, tried) in [
        (
            "directory",
            vec![("working_directory", "astring", "/no/such")],
            "could not set context for method: chdir: No such file or directory (\"/no/such\")",
            true,
        ),
        (
            "stranger",
            vec![own, ("user", "astring", "nobody-at-all")],
            "could not set context for method: Missing passwd entry for user \"nobody-at-all\".",
            true,
        ),
        (
            "rights",
            vec![("use_profile", "boolean", "true"), ("profile", "astring", "None")],
            "Could not find the execution profile \"None\", command /bin/true.",
            false,
        ),
        ("nobody", vec![own], "method context has no user", false),
    ] {
        let fmri = format!("svc:/site/{name}:default");
        let context = group("framework", &context);
        engine.add_with(&fmri, "/bin/true", "transient", vec![("method_context", context)]);
        engine.await_state(&fmri, "maintenance");
        let log = engine.log(&format!("site-{name}:default.log"));
        assert!(log.contains(line), "{log}");
        assert_eq!(tried, log.contains(status), "{log}");
    }
    engine.end();
}
