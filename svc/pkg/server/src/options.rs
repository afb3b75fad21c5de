//! options.rs - what the depot is told, by flags and by properties.
//!
//! Properties (from `--cfg`) come first, `--set-property` over them, flags over both.  What the
//! original knows and this depot has no use for (the search index's sort buffer, ...) is accepted and
//! has no effect; what would change what a client gets and is not there is refused.
//!
//! Not here: opening anything.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::prelude::*;

use crate::admin::Task;
use crate::properties::Properties;
use crate::tls::{Dialog, Identity};

/// Why the depot does not start as told.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// A property's value is wrong or asks for what is not there.
    #[error("{name}: {reason}")]
    Property {
        /// `GROUP/PROPERTY`.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The command line, before properties are known.
#[derive(Debug, Default)]
pub struct Arguments {
    /// `--cfg`: an SMF FMRI or a file of properties.
    pub cfg: Option<String>,
    /// `--daemon`: return when the sockets listen.
    pub daemon: bool,
    /// This is the process that `--daemon` started.
    pub background: bool,
    /// `--exit-ready`: end once everything could be opened.
    pub exit_ready: bool,
    /// `-h`, `-?`, `--help`.
    pub help: bool,
    /// Settings by flags, as properties.
    pub settings: Vec<(String, String)>,
}

/// Flags that are a property each.
const FLAGS: [(&str, &str); 16] = [
    ("address", "pkg/address"),
    ("cfg-file", "pkg/cfg_file"),
    ("content-root", "pkg/content_root"),
    ("debug", "pkg/debug"),
    ("disable-ops", "pkg/disable_ops"),
    ("file-root", "pkg/file_root"),
    ("image-root", "pkg/image_root"),
    ("log-access", "pkg/log_access"),
    ("log-errors", "pkg/log_errors"),
    ("proxy-base", "pkg/proxy_base"),
    ("sort-file-max-size", "pkg/sort_file_max_size"),
    ("ssl-cert-file", "pkg/ssl_cert_file"),
    ("ssl-dialog", "pkg/ssl_dialog"),
    ("ssl-key-file", "pkg/ssl_key_file"),
    ("writable-root", "pkg/writable_root"),
    ("port", "pkg/port"),
];

impl Arguments {
    /// Reads a command line (without the program's name).
    pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, OptionsError> {
        let usage = |error: lexopt::Error| OptionsError::Usage(error.to_string());
        let mut parser = lexopt::Parser::from_args(words);
        let mut arguments = Self::default();
        while let Some(argument) = parser.next().map_err(usage)? {
            let property = match argument {
                Short('d') => "pkg/inst_root",
                Short('p') => "pkg/port",
                Short('a') => "pkg/address",
                Short('s') => "pkg/threads",
                Short('t') => "pkg/socket_timeout",
                Short('h' | '?') | Long("help") => {
                    arguments.help = true;
                    continue;
                }
                Long("cfg") => {
                    let source = parser.value().and_then(|v| v.string()).map_err(usage)?;
                    // An instance may be named by smf: before its FMRI.
                    arguments.cfg = Some(match source.strip_prefix("smf:") {
                        Some(fmri) if fmri.starts_with("svc:") => fmri.to_string(),
                        Some(fmri) => format!("svc:/{}", fmri.trim_start_matches('/')),
                        None => source,
                    });
                    continue;
                }
                Long(flag @ ("daemon" | "background" | "exit-ready")) => {
                    match flag {
                        "daemon" => arguments.daemon = true,
                        "background" => arguments.background = true,
                        _ => arguments.exit_ready = true,
                    }
                    continue;
                }
                Long(
                    flag @ ("readonly" | "mirror" | "ll-mirror" | "llmirror" | "rebuild"
                    | "add-content" | "refresh-index"),
                ) => {
                    // Who has indexes made wants nothing else.
                    arguments.exit_ready |= flag == "refresh-index";
                    let name = flag.replace('-', "_").replace("llm", "ll_m");
                    arguments.settings.push((format!("pkg/{name}"), "true".to_string()));
                    continue;
                }
                Long("set-property") => {
                    let text = parser.value().and_then(|v| v.string()).map_err(usage)?;
                    let (name, value) = text.split_once('=').ok_or_else(|| {
                        OptionsError::Usage(format!(
                            "property arguments must be SECTION/PROPERTY=VALUE: {text}"
                        ))
                    })?;
                    arguments.settings.push((name.to_string(), value.to_string()));
                    continue;
                }
                Long(flag) => match FLAGS.iter().find(|(name, _)| *name == flag) {
                    Some((_, property)) => property,
                    None => return Err(OptionsError::Usage(format!("Illegal option -- {flag}"))),
                },
                other => return Err(usage(other.unexpected())),
            };
            let value = parser.value().and_then(|v| v.string()).map_err(usage)?;
            arguments.settings.push((property.to_string(), value));
        }
        Ok(arguments)
    }

    /// With what a program's surroundings say, which counts less than flags: its variables
    /// `PKG_REPO` and `PKG_DEPOT_CONTENT`.
    #[must_use]
    pub fn in_surroundings(mut self, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        for (name, property) in
            [("PKG_REPO", "pkg/inst_root"), ("PKG_DEPOT_CONTENT", "pkg/content_root")]
        {
            if let Some(value) = variable(name).filter(|value| !value.is_empty()) {
                self.settings.insert(0, (property.to_string(), value));
            }
        }
        self
    }
}

/// What the feed of changes says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Its title.
    pub name: String,
    /// A paragraph on it; may be empty.
    pub description: String,
    /// A small and a large picture, below the content root.
    pub pictures: [String; 2],
    /// How many hours before the last change it goes back.
    pub hours: u64,
}

/// Everything the depot is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The repository, an absolute path; links in it are followed at every request.
    pub repository: PathBuf,
    /// The repository's configuration, where it is not in its own place.
    pub configuration: PathBuf,
    /// Addresses, each `HOST[:PORT]`.
    pub addresses: Vec<String>,
    /// The port where an address names none.
    pub port: u16,
    /// The most workers there may be.
    pub threads: usize,
    /// How long a connection may rest.
    pub socket_timeout: Duration,
    /// Operations switched off, as `OP` or `OP/VERSION`.
    pub disabled: BTreeSet<String>,
    /// Serve payload only.
    pub mirror: bool,
    /// Whether packages may be published.
    pub writable: bool,
    /// What TLS is spoken with, if it is.
    pub tls: Option<Identity>,
    /// What is done before the first request is answered.
    pub first: Option<Task>,
    /// Whether requests' headers go into the error log.
    pub log_headers: bool,
    /// Where the access log goes; nowhere that was told: none.
    pub log_access: Option<String>,
    /// Where the error log goes.
    pub log_errors: String,
    /// The URI clients see, when another server stands in front.
    pub proxy_base: String,
    /// Where a site's own pages and pictures are.
    pub content: PathBuf,
    /// Where search indexes are made, if not in the repository.
    pub indexes: Option<PathBuf>,
    /// What the feed of changes says of itself.
    pub feed: Feed,
}

impl Options {
    /// Puts flags over properties.  `directory` is what a relative path starts from.
    pub fn new(
        arguments: &Arguments,
        mut properties: Properties,
        directory: &Path,
    ) -> Result<Self, OptionsError> {
        for (name, value) in &arguments.settings {
            properties.insert(name.clone(), vec![value.clone()]);
        }
        let said = Said(properties);
        let smf = arguments.cfg.as_ref().is_some_and(|cfg| cfg.starts_with("svc:"));
        let root = said.text("pkg/pkg_root").unwrap_or("/");
        let base = if arguments.cfg.is_some() { directory.join(root) } else { directory.into() };
        let below = |name: &str| said.text(name).map(|path| base.join(path));
        let repository = below("pkg/inst_root")
            .ok_or_else(|| OptionsError::Usage("Either PKG_REPO or -d must be provided".into()))?;
        let listed = said.list("pkg/address");
        let default = if cfg!(target_os = "illumos") { "0.0.0.0" } else { "127.0.0.1" };
        let addresses = if listed.is_empty() { vec![default.to_string()] } else { listed };
        let split = |text: &str| -> BTreeSet<String> {
            text.split([',', ' ']).filter(|op| !op.is_empty()).map(str::to_string).collect()
        };
        let mirror = said.boolean("pkg/mirror", false)?;
        let readonly = said.boolean("pkg/readonly", smf)?;
        let first = said.first_task()?;
        let indexes = below("pkg/writable_root");
        let only_indexes = first == Some(Task::RefreshIndexes) && indexes.is_some();
        if first.is_some() && (mirror || (readonly && !only_indexes)) {
            let message = "--add-content, --rebuild and --refresh-index cannot be used with \
                           --mirror or --readonly";
            return Err(OptionsError::Usage(message.to_string()));
        }
        let tls = said.identity(&base, arguments.cfg.as_deref())?;
        if said.boolean("pkg/ll_mirror", false)? {
            // pkg5 without its mDNS library says no more than this and goes on; a mirror that
            // nobody finds is better told of.
            let reason = "link-local mirrors are announced by mDNS, which is not spoken here; \
                          --mirror serves payloads to clients that are told where"
                .to_string();
            return Err(OptionsError::Property { name: "pkg/ll_mirror".to_string(), reason });
        }
        let configuration = below("pkg/cfg_file");
        let configuration = configuration.unwrap_or_else(|| repository.join("pkg5.repository"));
        let content = below("pkg/content_root");
        Ok(Self {
            repository,
            configuration,
            addresses,
            port: said.number("pkg/port", if tls.is_some() { 443 } else { 80 }, 0, 65_535)? as u16,
            tls,
            threads: said.number("pkg/threads", 60, 1, 5_000)? as usize,
            socket_timeout: Duration::from_secs(said.number(
                "pkg/socket_timeout",
                60,
                0,
                86_400,
            )?),
            disabled: said.list("pkg/disable_ops").iter().flat_map(|text| split(text)).collect(),
            mirror,
            writable: !mirror && !readonly,
            first,
            log_headers: said.list("pkg/debug").iter().any(|text| split(text).contains("headers")),
            log_access: said.text("pkg/log_access").map(str::to_string),
            log_errors: said.text("pkg/log_errors").unwrap_or("stderr").to_string(),
            proxy_base: said.text("pkg/proxy_base").unwrap_or("").to_string(),
            content: content.unwrap_or_else(|| "/usr/share/lib/pkg".into()),
            indexes,
            feed: said.feed()?,
        })
    }
}

struct Said(Properties);

impl Said {
    /// The first value, unless it is empty.
    fn text(&self, name: &str) -> Option<&str> {
        let first = self.0.get(name)?.first()?;
        (!first.is_empty()).then_some(first.as_str())
    }

    fn list(&self, name: &str) -> Vec<String> {
        let values = self.0.get(name).into_iter().flatten();
        values.filter(|value| !value.is_empty()).cloned().collect()
    }

    fn number(&self, name: &str, default: u64, least: u64, most: u64) -> Result<u64, OptionsError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(OptionsError::Property {
                name: name.to_string(),
                reason: format!("\"{text}\" is not a number from {least} to {most}"),
            }),
        }
    }

    fn boolean(&self, name: &str, default: bool) -> Result<bool, OptionsError> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(text) => Err(OptionsError::Property {
                name: name.to_string(),
                reason: format!("\"{text}\" is neither true nor false"),
            }),
        }
    }

    fn feed(&self) -> Result<Feed, OptionsError> {
        let text = |name: &str, usual: &str| self.text(name).unwrap_or(usual).to_string();
        Ok(Feed {
            name: text("pkg_bui/feed_name", "package repository feed"),
            description: text("pkg_bui/feed_description", ""),
            pictures: [
                text("pkg_bui/feed_icon", "web/_themes/pkg-block-icon.png"),
                text("pkg_bui/feed_logo", "web/_themes/pkg-block-logo.png"),
            ],
            hours: self.number("pkg_bui/feed_window", 24, 0, 1_000_000)?,
        })
    }

    fn first_task(&self) -> Result<Option<Task>, OptionsError> {
        let asked = [
            ("pkg/rebuild", Task::Rebuild),
            ("pkg/add_content", Task::Refresh),
            ("pkg/refresh_index", Task::RefreshIndexes),
        ];
        for (name, task) in asked {
            if self.boolean(name, false)? {
                return Ok(Some(task));
            }
        }
        Ok(None)
    }

    /// Certificate and key; both or none.
    fn identity(&self, base: &Path, cfg: Option<&str>) -> Result<Option<Identity>, OptionsError> {
        let named = |name| self.text(name).filter(|text| *text != "none");
        let path = |text: &str| base.join(text);
        match (named("pkg/ssl_cert_file"), named("pkg/ssl_key_file")) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(Identity {
                certificate: path(certificate),
                key: path(key),
                dialog: self.dialog(cfg)?,
            })),
            _ => Err(OptionsError::Usage(
                "Both --ssl-cert-file and --ssl-key-file must be provided when using either option."
                    .to_string(),
            )),
        }
    }

    fn dialog(&self, cfg: Option<&str>) -> Result<Dialog, OptionsError> {
        let name = "pkg/ssl_dialog";
        let wrong = |reason: &str| OptionsError::Property {
            name: name.to_string(),
            reason: reason.to_string(),
        };
        let instance = cfg.filter(|cfg| cfg.starts_with("svc:"));
        let text = self.text(name).unwrap_or(if instance.is_some() { "smf" } else { "builtin" });
        let known = self.text("pkg_secure/ssl_key_passphrase").map(str::to_string);
        match text.split_once(':').unwrap_or((text, "")) {
            ("builtin", "") => Ok(Dialog::Builtin),
            ("exec", program) if program.starts_with('/') => Ok(Dialog::Program(program.into())),
            ("exec", _) => Err(wrong("the program of exec: has to be an absolute path")),
            ("smf", "") => match (known, instance) {
                (Some(known), _) => Ok(Dialog::Known(known)),
                (None, Some(instance)) => Ok(Dialog::Instance(instance.to_string())),
                (None, None) => Err(wrong("smf needs an FMRI where --cfg names none")),
            },
            ("smf", fmri) => Ok(Dialog::Instance(fmri.to_string())),
            ("svc", _) => Ok(Dialog::Instance(text.to_string())),
            _ => Err(wrong("has to be builtin, exec:PROGRAM, smf, smf:FMRI or an FMRI")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &str, properties: &str) -> Result<Options, OptionsError> {
        let arguments = Arguments::parse(words.split_whitespace().map(OsString::from))?;
        let properties = crate::properties::parse(properties).unwrap();
        Options::new(&arguments, properties, Path::new("/here"))
    }

    #[test]
    fn flags_win_over_properties() {
        let smf = "pkg/port count 8001\npkg/inst_root astring r\npkg/pkg_root astring /p\n\
                   pkg/address net_address \n";
        let found = options("--cfg svc:/x", smf).unwrap();
        assert_eq!((found.port, found.repository.as_path()), (8001, Path::new("/p/r")));
        assert_eq!(options("--cfg svc:/x -p 9", smf).unwrap().port, 9);
        let found = options("-d r -a 127.0.0.2:5 --disable-ops=info,p5i/0", "").unwrap();
        assert_eq!(found.repository, Path::new("/here/r"));
        assert_eq!(found.addresses, ["127.0.0.2:5"]);
        assert_eq!(found.configuration, Path::new("/here/r/pkg5.repository"));
        let found = options("-d r --cfg-file c", "").unwrap();
        assert_eq!(found.configuration, Path::new("/here/c"));
        let found = options("-d r --disable-ops=info,p5i/0", "").unwrap();
        assert!(found.disabled.contains("p5i/0") && found.disabled.contains("info"));
    }

    #[test]
    fn what_is_told_elsewhere() {
        let told = |words: &str, properties: &str| {
            let arguments = Arguments::parse(words.split_whitespace().map(OsString::from)).unwrap();
            let arguments = arguments.in_surroundings(&|name| match name {
                "PKG_REPO" => Some("/e/repo".to_string()),
                "PKG_DEPOT_CONTENT" => Some("/e/content".to_string()),
                _ => None,
            });
            let properties = crate::properties::parse(properties).unwrap();
            let options = Options::new(&arguments, properties, Path::new("/here")).unwrap();
            (options, arguments.cfg)
        };
        let (options, _) = told("", "");
        assert_eq!(options.repository, Path::new("/e/repo"));
        assert_eq!(options.content, Path::new("/e/content"));
        let (options, _) = told("-d mine --content-root c --writable-root w", "");
        assert_eq!(options.repository, Path::new("/here/mine"));
        assert_eq!(options.content, Path::new("/here/c"));
        assert_eq!(options.indexes.as_deref(), Some(Path::new("/here/w")));
        for (cfg, fmri) in [
            ("smf:svc:/a:b", "svc:/a:b"),
            ("smf:a:b", "svc:/a:b"),
            ("svc:/a:b", "svc:/a:b"),
            ("/etc/file", "/etc/file"),
        ] {
            assert_eq!(told(&format!("--cfg {cfg}"), "").1.as_deref(), Some(fmri));
        }
        let usual = options_feed("");
        assert_eq!((usual.name.as_str(), usual.hours), ("package repository feed", 24));
        let own = options_feed(
            "[pkg_bui]\nfeed_name = Ours\nfeed_description = What\n  came\nfeed_window = 48\n",
        );
        assert_eq!((own.name.as_str(), own.hours), ("Ours", 48));
        assert_eq!(own.description, "What came");
        assert!(Arguments::parse(["-?"].map(OsString::from)).unwrap().help);
    }

    fn options_feed(properties: &str) -> Feed {
        options("-d r", properties).unwrap().feed
    }

    #[test]
    fn wrong_values_are_named() {
        for (words, message) in [
            ("-d r -p 70000", "pkg/port: \"70000\" is not a number from 0 to 65535"),
            ("-d r -s 0", "pkg/threads: \"0\" is not a number from 1 to 5000"),
            ("-d r --set-property pkg/mirror=x", "pkg/mirror: \"x\" is neither true nor false"),
            (
                "-d r --set-property pkg_bui/feed_window=x",
                "pkg_bui/feed_window: \"x\" is not a number from 0 to 1000000",
            ),
            ("-d r --frobnicate", "Illegal option -- frobnicate"),
            (
                "-d r --set-property pkg/ll_mirror=true",
                "pkg/ll_mirror: link-local mirrors are announced by mDNS, which is not spoken here; \
                 --mirror serves payloads to clients that are told where",
            ),
            (
                "-d r --readonly --rebuild",
                "--add-content, --rebuild and --refresh-index cannot be used with --mirror or \
                 --readonly",
            ),
            ("", "Either PKG_REPO or -d must be provided"),
        ] {
            assert_eq!(options(words, "").unwrap_err().to_string(), message, "{words}");
        }
    }

    #[test]
    fn certificates_and_passphrases() {
        let both = "-d r --ssl-cert-file /c --ssl-key-file k";
        let found = options(both, "").unwrap();
        let identity = found.tls.unwrap();
        assert_eq!((found.port, identity.key.as_path()), (443, Path::new("/here/k")));
        for (dialog, cfg, expected) in [
            ("builtin", "", Some(Dialog::Builtin)),
            ("exec:/bin/x", "", Some(Dialog::Program("/bin/x".into()))),
            ("exec:x", "", None),
            ("smf", "", None),
            ("smf:svc:/a:b", "", Some(Dialog::Instance("svc:/a:b".into()))),
            ("svc:/a:b", "", Some(Dialog::Instance("svc:/a:b".into()))),
            ("smf", "--cfg svc:/c:d", Some(Dialog::Instance("svc:/c:d".into()))),
            ("other", "", None),
        ] {
            let found = options(&format!("{both} {cfg} --ssl-dialog {dialog}"), "");
            let found = found.ok().and_then(|options| options.tls);
            assert_eq!(found.map(|identity| identity.dialog), expected, "{dialog} {cfg}");
        }
        let smf =
            "pkg_secure/ssl_key_passphrase astring open\\ sesame\npkg/ssl_dialog astring smf\n";
        let found = options(&format!("{both} --cfg svc:/c:d"), smf).unwrap().tls.unwrap();
        assert_eq!(found.dialog, Dialog::Known("open sesame".into()));
        let alone = options("-d r --ssl-cert-file /c", "").unwrap_err().to_string();
        assert!(alone.starts_with("Both --ssl-cert-file and"), "{alone}");
        let none = options("-d r --ssl-cert-file none --ssl-key-file none", "").unwrap();
        assert_eq!((none.tls, none.port), (None, 80));
    }
}
