//! manifest.rs - the image manifest: distro_const's XML, of both generations.
//!
//! The form of 2009 and the later one keep the same elements in different places, so an
//! element is looked for by the tail of its path.  Read here:
//!
//! | element | meaning |
//! |---|---|
//! | `distribution@name` | volume id and file name of the medium; at most 32 characters |
//! | `packages/pkg@name` | patterns of packages to install |
//! | `post_install_remove_packages/pkg@name` | names taken from the list above |
//! | `boot_archive/size_pad_mb` | MiB to leave free in the archive |
//! | `boot_archive/nbpi` | bytes for each inode; 0: by content |
//! | `boot_archive/compression@type@level` | `gzip` (level 9) or `none` |
//! | `grub_menu_modifications/title` | title in the boot menu; else the first line of etc/release |
//!
//! The other elements of the schema are known and passed over; [`Manifest::ignored`] names
//! them so that the log can.  Among them are the repositories: packages come from the merger's
//! candidate.  An element nobody knows is refused, with its line.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// What a manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the distribution.
    pub name: String,
    /// Patterns of packages, in order.
    pub packages: Vec<String>,
    /// Title in the boot menu.
    pub title: Option<String>,
    /// MiB to leave free.
    pub pad_mb: u64,
    /// Bytes for each inode; 0: by content.
    pub nbpi: u32,
    /// Level of gzip; `None`: the archive is stored as it is.
    pub gzip: Option<u8>,
    /// Elements that were there and mean nothing here, each once, in order.
    pub ignored: Vec<String>,
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {reason}")]
pub struct ManifestError {
    /// 1-based.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

/// Elements that only hold others.
const CONTAINERS: [&str; 7] = [
    "distribution",
    "distro_constr_params",
    "distro_constr_flags",
    "output_image",
    "img_params",
    "packages",
    "grub_menu_modifications",
];

/// Elements of the schema that mean nothing here; what is below them is passed over too.
const PASSED_OVER: [&str; 31] = [
    "build_area",
    "stop_on_error",
    "checkpoint_enable",
    "finalizer",
    "live_img_compression",
    "pkg_repo_default_authority",
    "pkg_repo_addl_authority",
    "post_install_repo_default_authority",
    "post_install_repo_addl_authority",
    "generate_ips_search_index",
    "rootpass",
    "boot_archive_contents",
    "bootroot_contents",
    "hostname",
    "locale_list",
    "locale_defaults",
    "root_user",
    "user",
    "min_mem64",
    "default_entry",
    "timeout",
    "entry",
    "loader_menu_modifications",
    "netservices_SMF_profile",
    "power_mgmt",
    "pkg_image_area_max_size_gb",
    "key_value_pairs",
    "adjustment",
    "smf_service_profile",
    "vmimg_params",
    "resume_from",
];

/// Characters that no value may hold.
const REFUSED: &str = "*%?[]{}|><()#$\"'\\`";

struct Parser {
    path: Vec<String>,
    text: String,
    /// Depth below which everything is passed over.
    skip: Option<usize>,
    manifest: Manifest,
    removed: Vec<String>,
    named: bool,
}

impl Manifest {
    /// Reads a manifest's text.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mut parser = Parser::new();
        loop {
            let at = reader.buffer_position() as usize;
            let line = |at: usize| {
                1 + text.as_bytes()[..at.min(text.len())].iter().filter(|&&b| b == b'\n').count()
            };
            let failed = |reason: String| ManifestError { line: line(at), reason };
            match reader.read_event() {
                Ok(Event::Start(element)) => {
                    // Blank text before the tag is an event of its own, so `at` is the tag's.
                    parser.open(&element).map_err(failed)?;
                }
                Ok(Event::End(_)) => parser.close().map_err(failed)?,
                Ok(Event::Text(words)) => {
                    let words = words.decode().map_err(|error| failed(error.to_string()))?;
                    parser.text.push_str(&words);
                }
                Ok(Event::GeneralRef(name)) => {
                    return Err(failed(format!(
                        "&{};: references are not allowed",
                        String::from_utf8_lossy(&name)
                    )));
                }
                Ok(Event::CData(_)) => return Err(failed("CDATA is not allowed".to_string())),
                Ok(Event::Eof) => return parser.finish(line(text.len())),
                Ok(
                    Event::Empty(_)
                    | Event::Comment(_)
                    | Event::Decl(_)
                    | Event::PI(_)
                    | Event::DocType(_),
                ) => {}
                Err(error) => {
                    let at = reader.error_position() as usize;
                    return Err(ManifestError { line: line(at), reason: error.to_string() });
                }
            }
        }
    }
}

impl Parser {
    fn new() -> Self {
        let manifest = Manifest {
            name: String::new(),
            packages: Vec::new(),
            title: None,
            pad_mb: 0,
            nbpi: 0,
            gzip: Some(9),
            ignored: Vec::new(),
        };
        let (path, text, removed) = (Vec::new(), String::new(), Vec::new());
        Self { path, text, skip: None, manifest, removed, named: false }
    }

    fn open(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        let name = String::from_utf8_lossy(element.name().as_ref()).into_owned();
        let up = self.path.last().cloned().unwrap_or_default();
        self.path.push(name.clone());
        self.text.clear();
        if self.skip.is_some() {
            return Ok(());
        }
        match (up.as_str(), name.as_str()) {
            ("", "distribution") => {
                self.manifest.name =
                    attribute(element, "name")?.ok_or("distribution has no name")?;
                self.named = true;
            }
            ("", other) => return Err(format!("<{other}>: <distribution> expected")),
            ("packages", "pkg") => self.manifest.packages.push(package(element)?),
            ("post_install_remove_packages", "pkg") => self.removed.push(package(element)?),
            ("boot_archive", "compression") => self.manifest.gzip = compression(element)?,
            (_, "post_install_remove_packages" | "boot_archive")
            | ("boot_archive", "size_pad_mb" | "nbpi")
            | ("grub_menu_modifications", "title") => {}
            (_, other) if PASSED_OVER.contains(&other) => {
                self.skip = Some(self.path.len());
                if !self.manifest.ignored.contains(&name) {
                    self.manifest.ignored.push(name);
                }
            }
            (_, other) if CONTAINERS.contains(&other) => {}
            (up, other) => return Err(format!("<{other}> in <{up}>: unknown element")),
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let text = std::mem::take(&mut self.text).trim().to_string();
        let depth = self.path.len();
        let name = self.path.pop().unwrap_or_default();
        if let Some(at) = self.skip {
            self.skip = (depth > at).then_some(at);
            return Ok(());
        }
        match name.as_str() {
            "size_pad_mb" => self.manifest.pad_mb = number(&name, &text)?,
            "nbpi" => self.manifest.nbpi = number(&name, &text)?,
            "title" => self.manifest.title = (!text.is_empty()).then_some(text),
            _ if !text.is_empty() => return Err(format!("<{name}>: \"{text}\" is not expected")),
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self, line: usize) -> Result<Manifest, ManifestError> {
        let failed = |reason: &str| Err(ManifestError { line, reason: reason.to_string() });
        if !self.named || !self.path.is_empty() {
            return failed("<distribution> is missing or not closed");
        }
        let removed = std::mem::take(&mut self.removed);
        self.manifest.packages.retain(|name| !removed.contains(name));
        if self.manifest.packages.is_empty() {
            return failed("no package is listed");
        }
        Ok(self.manifest)
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let found = element.try_get_attribute(name).map_err(|error| error.to_string())?;
    let Some(found) = found else { return Ok(None) };
    let value = found.unescape_value().map_err(|error| error.to_string())?.into_owned();
    match value.chars().find(|&c| REFUSED.contains(c) || c.is_control()) {
        Some(bad) => Err(format!("{name}=\"{value}\": \"{bad}\" is not allowed")),
        None => Ok(Some(value)),
    }
}

fn package(element: &BytesStart<'_>) -> Result<String, String> {
    let name = attribute(element, "name")?.filter(|name| !name.is_empty());
    name.ok_or_else(|| "pkg has no name".to_string())
}

fn compression(element: &BytesStart<'_>) -> Result<Option<u8>, String> {
    let level = attribute(element, "level")?;
    let level = level.map_or(Ok(9), |text| number::<u8>("level", &text))?;
    match attribute(element, "type")?.as_deref() {
        Some("gzip") | None => Ok(Some(level)),
        Some("none") => Ok(None),
        Some(other) => Err(format!("compression type \"{other}\": gzip or none on this platform")),
    }
}

fn number<N: std::str::FromStr>(name: &str, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{name}: \"{text}\" is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_generations_are_read() {
        for text in [
            r#"<distribution name="Old"><distro_constr_params><pkg_repo_default_authority>
               <main url="http://x" authname="x"/></pkg_repo_default_authority></distro_constr_params>
               <img_params><output_image><boot_archive><size_pad_mb>5</size_pad_mb></boot_archive>
               </output_image><packages><pkg name="a"/><pkg name="b"/></packages>
               <post_install_remove_packages><pkg name="b"/></post_install_remove_packages>
               </img_params></distribution>"#,
            r#"<?xml version="1.0"?><!-- new --><distribution name="Old"><distro_constr_params>
               <output_image><boot_archive><size_pad_mb>5</size_pad_mb></boot_archive></output_image>
               </distro_constr_params><img_params><pkg_repo_default_authority/>
               <packages><pkg name="a"/></packages></img_params></distribution>"#,
        ] {
            let manifest = Manifest::parse(text).unwrap();
            assert_eq!((manifest.name.as_str(), manifest.pad_mb), ("Old", 5));
            assert_eq!(manifest.packages, ["a"]);
            assert_eq!(manifest.ignored, ["pkg_repo_default_authority"]);
            assert_eq!(manifest.gzip, Some(9));
        }
    }

    #[test]
    fn refusals_name_the_line() {
        let image = |inside: &str| {
            format!(
                "<distribution name=\"x\">\n<img_params>\n{inside}\n</img_params></distribution>"
            )
        };
        for (text, line, words) in [
            (image("<pakages/>"), 3, "pakages"),
            (image("<packages><pkg name=\"a*\"/></packages>"), 3, "not allowed"),
            (image("<packages><pkg/></packages>"), 3, "no name"),
            (image("<packages></package>"), 3, "package"),
            (
                image(
                    "<output_image><boot_archive><compression type=\"dcfs\"/></boot_archive></output_image>",
                ),
                3,
                "dcfs",
            ),
            (
                image(
                    "<output_image><boot_archive><nbpi>many</nbpi></boot_archive></output_image>",
                ),
                3,
                "many",
            ),
            (image("<packages/>"), 4, "no package"),
            ("<distribution/>".to_string(), 1, "no name"),
            ("<service_bundle/>".to_string(), 1, "distribution"),
            (String::new(), 1, "missing"),
        ] {
            let error = Manifest::parse(&text).unwrap_err();
            assert!(error.reason.contains(words), "{text}: {error}");
            assert_eq!(error.line, line, "{text}: {error}");
        }
    }

    #[test]
    fn shipped_manifests_parse() {
        for text in [
            include_str!("../../../packaging/images/slim_cd_x86.xml"),
            include_str!("../../../packaging/images/tiny.xml"),
        ] {
            let manifest = Manifest::parse(text).unwrap();
            image_formats::iso::check_volume_id(&manifest.name).unwrap();
        }
    }
}
