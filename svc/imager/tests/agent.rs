//! What an instance in a cloud makes of its metadata: the method, with a system played around it.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Programs of the system as far as the method uses them.
const PLAYED: [(&str, &str); 6] = [
    ("svcprop", "cat \"$METADATA_ROOT/prop/${2#metadata/}\""),
    ("fstyp", "[ \"$1\" != -v ] || { echo \"Volume id: $(cat \"$2\")\"; exit; }; echo hsfs"),
    ("mount", "for last; do :; done; cp \"$METADATA_ROOT\"/medium/* \"$last\""),
    ("umount", "rm -f \"$1\"/*"),
    ("uname", "[ \"$1\" = -S ] && echo \"$2\" >\"$METADATA_ROOT/uname\""),
    (
        "curl",
        "for last; do :; done; while [ \"$1\" != -o ]; do shift; done; \
         cp \"$METADATA_ROOT/server/${last#http://cloud/}\" \"$2\" 2>/dev/null",
    ),
];

/// A root with files in it.
fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str, mode: u32| {
        let to = scratch.path().join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(&to, text).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(mode)).unwrap();
    };
    for (program, text) in PLAYED {
        put(&format!("bin/{program}"), &format!("#!/bin/sh\n{text}\n"), 0o755);
    }
    let include = include_str!("../../../smf/cmd/share/smf_include.sh");
    put("lib/svc/share/smf_include.sh", include, 0o644);
    put("etc/nodename", "unknown\n", 0o644);
    for (path, text) in [("prop/label", "cidata\n"), ("prop/url", "\"\"\n")].iter().chain(files) {
        put(path, text, 0o644);
    }
    scratch
}

/// Runs the method by a shell; its status and what it said.
fn run(shell: &str, root: &Path) -> (i32, String) {
    let method = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/steps/agent/method");
    let path = format!("{}:{}", root.join("bin").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(shell);
    command.arg(method).env("PATH", path).env("METADATA_ROOT", root).env("SMF_FMRI", "svc:/x");
    let out = command.output().unwrap();
    let said = [out.stdout, out.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (out.status.code().unwrap(), said.replace(&root.display().to_string(), ""))
}

const DISK: (&str, &str) = ("dev/dsk/c1t0d0p0", "cidata");
const ITS_DATA: (&str, &str) = (
    "medium/meta-data",
    "instance-id: i-1\nlocal-hostname: \"node-7.example\"\npublic-keys:\n  - ssh-ed25519 A a@b\n  \
     - \"ssh-rsa B\"\nother: x\n",
);
const ITS_SCRIPT: (&str, &str) =
    ("medium/user-data", "#!/bin/sh\necho ran >>\"$METADATA_ROOT/ran\"\n");
const URL: (&str, &str) = ("prop/url", "http://cloud/latest/\n");

#[test]
fn an_instance_is_set_up_once() {
    let shells = ["sh", "dash", "ksh"].into_iter();
    for shell in shells.filter(|shell| Command::new(shell).args(["-c", ":"]).status().is_ok()) {
        let kept = ("root/.ssh/authorized_keys", "ssh-rsa OLD\nssh-rsa B\n");
        let root = root(&[DISK, ITS_DATA, ITS_SCRIPT, kept]);
        let root = root.path();
        let text = |path: &str| fs::read_to_string(root.join(path)).unwrap();
        let said = "metadata: found on /dev/dsk/c1t0d0p0\nmetadata: the name is node-7.example\n\
                    metadata: root has keys\nmetadata: user-data ended with 0\n";
        assert_eq!(run(shell, root), (0, said.to_owned()), "{shell}");
        assert_eq!(
            (text("etc/nodename"), text("uname")),
            ("node-7.example\n".into(), "node-7.example\n".into())
        );
        let keys = "ssh-ed25519 A a@b\nssh-rsa B\nssh-rsa OLD\n";
        assert_eq!(text(kept.0), keys, "{shell}");
        let mode = fs::metadata(root.join(kept.0)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let said = "metadata: found on /dev/dsk/c1t0d0p0\nmetadata: instance i-1 is set up\n";
        assert_eq!(run(shell, root), (0, said.to_owned()), "{shell}");
        assert_eq!(text("ran"), "ran\n", "a script runs once");
        assert!(!root.join("var/lamplighter-metadata/new").exists());
        // Another instance is made of the same disk.
        fs::write(root.join(ITS_DATA.0), "instance-id: i-2\n").unwrap();
        assert_eq!(run(shell, root).0, 0);
        assert_eq!(
            (text("ran"), text("etc/nodename")),
            ("ran\nran\n".into(), "node-7.example\n".into())
        );
    }
}

#[test]
fn where_metadata_come_from() {
    let served = [
        URL,
        ("server/latest/meta-data/instance-id", "i-3"),
        ("server/latest/meta-data/local-hostname", "cloudy"),
        ("server/latest/meta-data/public-keys/0/openssh-key", "ssh-rsa C\n"),
        ("server/latest/user-data", "only text\n"),
    ];
    let named = |name| [DISK, ("medium/meta-data", name)];
    let failing = [DISK, ITS_DATA, ("medium/user-data", "#!/bin/sh\nexit 3\n")];
    for (files, status, wanted) in [
        (&[][..], 0, "metadata: there is none\n"),
        (&[("dev/dsk/c1t0d0p0", "cidata2"), ITS_DATA], 0, "metadata: there is none\n"),
        (&[URL], 1, "metadata: http://cloud/latest does not answer\n"),
        (
            &served,
            0,
            "metadata: found at http://cloud/latest\nmetadata: the name is cloudy\n\
             metadata: root has keys\nmetadata: user-data is no script: it is kept in \
             /var/lamplighter-metadata/user-data\n",
        ),
        (
            &named("local-hostname: x\n"),
            96,
            "metadata: found on /dev/dsk/c1t0d0p0\nmetadata: there is no instance-id\n",
        ),
        (
            &named("instance-id: i\nlocal-hostname: a/b\n"),
            96,
            "metadata: found on /dev/dsk/c1t0d0p0\nmetadata: \"a/b\" is no name of a host\n",
        ),
        (
            &failing,
            95,
            "metadata: found on /dev/dsk/c1t0d0p0\nmetadata: the name is node-7.example\n\
             metadata: root has keys\nmetadata: user-data ended with 3\n",
        ),
    ] {
        let root = root(files);
        assert_eq!(run("sh", root.path()), (status, wanted.to_owned()), "{files:?}");
    }
}
