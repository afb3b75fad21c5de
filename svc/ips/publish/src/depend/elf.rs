//! elf.rs - the libraries an ELF file asks for, and where the run-time linker or krtld looks.
//!
//! Programs: the file's run path, then /lib and /usr/lib (of 64-bit files their folders `64`).
//! Kernel modules: /platform/PLATFORM/kernel, /kernel and /usr/kernel; of 64-bit modules the
//! folder of the machine below the module's class.

use std::collections::BTreeMap;

use ips_model::elf::Elf;

use super::file::below;
use super::{DEFAULT_RUNPATH, DependError, FatalError, Need, Payload};
use crate::paths::{dirname, join, split};
use crate::variants::Template;

/// The values of tokens in run paths: `$PLATFORM` → i86pc, i86xpv.
pub type Tokens = BTreeMap<String, Vec<String>>;

/// What was found in one file.
pub(super) type Found = (Vec<Need>, Vec<DependError>);

/// The needs of an ELF file.
pub(super) fn needs(
    payload: Payload<'_>,
    package: &Template,
    tokens: &Tokens,
    run_paths: &[String],
) -> Result<Found, FatalError> {
    let bad = |source| DependError::BadElf { path: payload.local.to_string(), source };
    let read = Elf::parse(payload.bytes).and_then(|elf| Ok((elf.dynamic()?, elf)));
    let (dynamic, elf) = match read {
        Ok(read) => read,
        Err(source) => return Ok((Vec::new(), vec![bad(source)])),
    };
    let own = dynamic.runpath.as_deref().filter(|path| !path.is_empty());
    let own: Vec<String> =
        own.map(|path| path.split(':').map(str::to_string).collect()).unwrap_or_default();
    let path = payload.path();
    let mut machine = None;
    let searched = if is_kernel_module(path) {
        if elf.is_64() {
            machine = Some(match elf.arch() {
                "i386" => "amd64",
                "sparc" => "sparcv9",
                other => return Err(FatalError::KernelMachine(other)),
            });
        }
        kernel_paths(path, own, tokens)?
    } else {
        program_paths(own, elf.is_64())
    };
    let searched = match with_default(searched, run_paths) {
        Ok(searched) => searched,
        Err(error) => return Ok((Vec::new(), vec![error])),
    };
    let mut tokens = tokens.clone();
    tokens.insert("$ORIGIN".to_string(), vec![join("/", dirname(path))]);
    let mut errors = Vec::new();
    let mut expanded = Vec::new();
    for one in searched {
        expand(&one, &tokens, &mut expanded, &mut |path, token| {
            errors.push(DependError::Token {
                file: payload.local.to_string(),
                installed: payload.path().to_string(),
                token: token.to_string(),
                path: path.to_string(),
            });
        });
    }
    let needs = dynamic.needed.iter().map(|name| {
        let folders = folders(name, &expanded, machine, payload.proto);
        Need::new("elf", payload.action, package, vec![split(name).1.to_string()], folders)
    });
    Ok((needs.collect(), errors))
}

fn is_kernel_module(path: &str) -> bool {
    let platform = path.starts_with("platform") && path.split('/').nth(2) == Some("kernel");
    path.starts_with("kernel") || path.starts_with("usr/kernel") || platform
}

/// krtld knows no run paths; what a compiler leaves there of its own is passed over.
fn kernel_paths(path: &str, own: Vec<String>, tokens: &Tokens) -> Result<Vec<String>, FatalError> {
    let of_gcc = |path: &str| {
        let version = path.strip_prefix("/usr/gcc/").and_then(|rest| rest.strip_suffix("/lib"));
        version.is_some_and(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
    };
    match own.as_slice() {
        [] => {}
        [one] if of_gcc(one) => {}
        _ => return Err(FatalError::KernelRunpath { path: path.to_string(), runpath: own }),
    }
    let mut searched = own;
    if path.starts_with("platform") {
        let platform = path.split('/').nth(1).unwrap_or_default();
        searched.push(format!("/platform/{platform}/kernel"));
    } else {
        let platforms = tokens.get("$PLATFORM").map(Vec::as_slice).unwrap_or_default();
        searched.extend(platforms.iter().map(|name| format!("/platform/{name}/kernel")));
    }
    searched.extend(["/kernel".to_string(), "/usr/kernel".to_string()]);
    Ok(searched)
}

fn program_paths(own: Vec<String>, wide: bool) -> Vec<String> {
    let mut searched = own;
    for folder in ["/lib", "/usr/lib"] {
        let folder = if wide { format!("{folder}/64") } else { folder.to_string() };
        if !searched.contains(&folder) {
            searched.push(folder);
        }
    }
    searched
}

/// The paths that are asked for, with those found out in the place of their token; where none are
/// asked for, those found out.
pub(super) fn with_default(
    found: Vec<String>,
    asked: &[String],
) -> Result<Vec<String>, DependError> {
    if asked.is_empty() {
        return Ok(found);
    }
    match asked.iter().filter(|path| *path == DEFAULT_RUNPATH).count() {
        0 => Ok(asked.to_vec()),
        1 => {
            let one = |path: &String| match path == DEFAULT_RUNPATH {
                true => found.clone(),
                false => vec![path.clone()],
            };
            Ok(asked.iter().flat_map(one).collect())
        }
        _ => Err(DependError::TwoDefaults),
    }
}

/// A value with a token in it could name itself.
const DEEPEST: usize = 16;

/// Replaces the tokens of a path, each by all its values.
fn expand(
    path: &str,
    tokens: &Tokens,
    expanded: &mut Vec<String>,
    unknown: &mut impl FnMut(&str, &str),
) {
    let mut open = vec![(path.to_string(), 0)];
    while let Some((path, depth)) = open.pop() {
        let Some(at) = path.find('$') else {
            expanded.push(path);
            continue;
        };
        let token = path[at..].split('/').next().unwrap_or_default();
        match tokens.get(token).filter(|_| depth < DEEPEST) {
            Some(values) => {
                let with = |value: &String| {
                    (format!("{}{value}{}", &path[..at], &path[at + token.len()..]), depth + 1)
                };
                open.extend(values.iter().rev().map(with));
            }
            None => unknown(&path, token),
        }
    }
}

/// Where a library is looked for.
fn folders(name: &str, searched: &[String], machine: Option<&str>, proto: &str) -> Vec<String> {
    let (head, file) = split(name);
    let folder = |path: &String| {
        let whole = match machine {
            Some(machine) => join(&join(&join(path, head), machine), file),
            None => join(path, name),
        };
        let folder = dirname(whole.trim_start_matches('/')).to_string();
        (!folder.is_empty()).then(|| below(&folder, proto))
    };
    searched.iter().filter_map(folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_string()).collect()
    }

    #[test]
    fn tokens_are_replaced() {
        let tokens: Tokens = [
            ("$PLATFORM".to_string(), strings(&["i86pc", "i86xpv"])),
            ("$LOOP".to_string(), strings(&["$LOOP"])),
        ]
        .into();
        for (path, expected, missing) in [
            ("/lib", vec!["/lib"], vec![]),
            ("/a/$PLATFORM/b", vec!["/a/i86pc/b", "/a/i86xpv/b"], vec![]),
            ("/a/$ISALIST", vec![], vec!["$ISALIST"]),
            ("/a/$LOOP", vec![], vec!["$LOOP"]),
        ] {
            let (mut found, mut unknown) = (Vec::new(), Vec::new());
            expand(path, &tokens, &mut found, &mut |_, token| unknown.push(token.to_string()));
            assert_eq!((found, unknown), (strings(&expected), strings(&missing)), "{path}");
        }
    }

    #[test]
    fn where_modules_are() {
        let tokens: Tokens = [("$PLATFORM".to_string(), strings(&["i86pc"]))].into();
        for (path, expected) in [
            ("kernel/drv/amd64/x", strings(&["/platform/i86pc/kernel", "/kernel", "/usr/kernel"])),
            (
                "platform/i86xpv/kernel/x",
                strings(&["/platform/i86xpv/kernel", "/kernel", "/usr/kernel"]),
            ),
        ] {
            assert!(is_kernel_module(path));
            assert_eq!(kernel_paths(path, Vec::new(), &tokens), Ok(expected));
        }
        assert!(kernel_paths("kernel/x", strings(&["/usr/gcc/14/lib"]), &tokens).is_ok());
        let error = kernel_paths("kernel/x", strings(&["/a", "/b"]), &tokens).unwrap_err();
        assert_eq!(error.to_string(), "RUNPATH set for kernel module (kernel/x): ['/a', '/b']");
        assert!(!is_kernel_module("platform/x/lib/y"));
        let searched = strings(&["/kernel"]);
        assert_eq!(folders("misc/krtld", &searched, Some("amd64"), "/p"), ["kernel/misc/amd64"]);
        assert_eq!(folders("libc.so.1", &strings(&["/lib/64"]), None, "/p"), ["lib/64"]);
    }

    #[test]
    fn the_default_in_its_place() {
        let found = strings(&["/lib"]);
        let with = |asked: &[&str]| with_default(found.clone(), &strings(asked));
        assert_eq!(with(&[]), Ok(found.clone()));
        assert_eq!(with(&["/x"]), Ok(strings(&["/x"])));
        assert_eq!(with(&["/x", DEFAULT_RUNPATH, "/y"]), Ok(strings(&["/x", "/lib", "/y"])));
        assert_eq!(with(&[DEFAULT_RUNPATH, DEFAULT_RUNPATH]), Err(DependError::TwoDefaults));
    }
}
