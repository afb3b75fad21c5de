//! bill.rs - the bill of materials: an SPDX 2.3 document, as JSON.
//!
//! The document describes one package, the image.  It contains the image's packages, which contain
//! their files and depend on each other; files that the build made are the image's own.  A file's length
//! stands in its comment: SPDX has no field for it.
//!
//! Source: the SPDX specification 2.3, clauses 6 to 11, and its JSON schema.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::contents::{Contents, Digests, File, Medium, Package};
use crate::license::{expression, identifier, reference};

/// The identifier of the image among the packages.
const IMAGE: &str = "SPDXRef-Image";

/// What is not known and was not asked for.
const UNSAID: &str = "NOASSERTION";

/// The document of an image.
#[must_use]
pub fn spdx(contents: &Contents) -> String {
    Draft::of(contents).finish(&contents.media)
}

/// The document of an image before its media are known.
#[derive(Debug)]
pub struct Draft {
    /// With an empty name space, and an empty comment where the media are told.
    text: String,
    /// What its name space begins with.
    space: String,
    /// Of what it says.
    digest: Sha256,
}

impl Draft {
    /// Whatever media `contents` has do not count.
    #[must_use]
    pub fn of(contents: &Contents) -> Self {
        let packages = sorted(&contents.packages, |package| (&package.name, &package.publisher));
        let files = sorted(&contents.files, |file| (&file.path, &file.digests.sha256));
        let document = document(contents, &packages, &files);
        let mut text = Vec::with_capacity(OF_A_FILE * files.len() + OF_A_PACKAGE * packages.len());
        // Texts and numbers in lists: nothing of it can fail to be JSON.
        serde_json::to_writer_pretty(&mut text, &document).expect("a bill is plain values");
        text.push(b'\n');
        let digest = Sha256::new_with_prefix(&text);
        let text = String::from_utf8(text).expect("JSON is text");
        Self { text, space: reference(&contents.name), digest }
    }

    /// The document.
    #[must_use]
    pub fn finish(self, media: &[Medium]) -> String {
        let Self { mut text, space, mut digest } = self;
        let media = sorted(media, |medium| &medium.name);
        let sums = media.iter().map(|medium| format!("{} SHA256 {}", medium.name, medium.sha256));
        let sums = sums.collect::<Vec<_>>().join("\n");
        digest.update(&sums);
        // Unique to these contents, and the same whenever they are the same.
        let digest = crate::envelope::hex(&digest.finalize());
        let space = format!("https://spdx.org/spdxdocs/{space}-{}", &digest[..32]);
        let comment = match media.is_empty() {
            true => String::new(),
            false => format!("{COMMENT}{},", Value::from(sums)),
        };
        // A text in JSON has no line breaks: of lines that are so, these are the first.
        for (mark, value, then) in
            [(COMMENT, "\"\",", comment), (SPACE, "\"\"", format!("{SPACE}\"{space}\""))]
        {
            let at = text.find(&format!("{mark}{value}")).expect("a draft has its marks");
            text.replace_range(at..at + mark.len() + value.len(), &then);
        }
        text
    }
}

/// What stands before the image's comment, and before the name space.
const COMMENT: &str = "\n      \"comment\": ";
const SPACE: &str = "\n  \"documentNamespace\": ";
/// About how long the part of a file is, and that of a package.
const OF_A_FILE: usize = 760;
const OF_A_PACKAGE: usize = 1400;

fn document<'a>(
    contents: &'a Contents,
    packages: &[&'a Package],
    files: &[&'a File],
) -> Document<'a> {
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    // What a package holds: the numbers of its files.
    let mut held: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for (number, file) in files.iter().enumerate() {
        let owner = file.package.as_deref().filter(|name| names.contains(name));
        held.entry(owner).or_default().push(number);
    }
    let holding = |owner| held.get(&owner).map(Vec::as_slice).unwrap_or_default();

    let mut relations = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE)];
    let own = holding(None);
    relations.extend(own.iter().map(|file| relation(IMAGE, "CONTAINS", &file_id(*file))));
    let mut described = vec![image(contents, &verification(files, own), own.is_empty())];
    for package in packages {
        let id = package_id(&package.name);
        let own = holding(Some(&package.name));
        relations.push(relation(IMAGE, "CONTAINS", &id));
        let required: BTreeSet<&String> = package.requires.iter().collect();
        let there = required.into_iter().filter(|name| names.contains(name.as_str()));
        relations.extend(there.map(|name| relation(&id, "DEPENDS_ON", &package_id(name))));
        relations.extend(own.iter().map(|file| relation(&id, "CONTAINS", &file_id(*file))));
        described.push(describe(package, &verification(files, own), own.is_empty()));
    }
    let created = instant(contents.time);
    let creator = format!("Tool: {}-{}", contents.tool.name, contents.tool.version);
    Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: "SPDXRef-DOCUMENT",
        name: &contents.name,
        document_namespace: "",
        creation_info: json!({ "created": created, "creators": [creator] }),
        document_describes: [IMAGE],
        packages: described,
        files: files.iter().enumerate().map(|(number, file)| line(number, file)).collect(),
        relationships: relations,
        has_extracted_licensing_infos: extracted(packages),
    }
}

/// The document, its fields in the order of the text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    spdx_version: &'a str,
    data_license: &'a str,
    #[serde(rename = "SPDXID")]
    id: &'a str,
    name: &'a str,
    document_namespace: &'a str,
    creation_info: Value,
    document_describes: [&'a str; 1],
    packages: Vec<Value>,
    files: Vec<Line<'a>>,
    relationships: Vec<Relation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    has_extracted_licensing_infos: Vec<Value>,
}

/// A file.  Of files and relations there are so many that values of their own would cost more than
/// all else.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(rename = "SPDXID")]
    id: String,
    file_name: String,
    checksums: [Checksum<'a>; 2],
    license_concluded: &'a str,
    license_info_in_files: [&'a str; 1],
    copyright_text: &'a str,
    comment: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum<'a> {
    algorithm: &'a str,
    checksum_value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relation {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

fn sorted<'a, T, K: Ord>(all: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<&'a T> {
    let mut sorted: Vec<&T> = all.iter().collect();
    sorted.sort_by_key(|&one| key(one));
    sorted
}

fn relation(from: &str, kind: &'static str, to: &str) -> Relation {
    Relation {
        spdx_element_id: from.to_owned(),
        relationship_type: kind,
        related_spdx_element: to.to_owned(),
    }
}

fn package_id(name: &str) -> String {
    format!("SPDXRef-Package-{}", reference(name))
}

fn file_id(number: usize) -> String {
    format!("SPDXRef-File-{number}")
}

/// RFC 3339 in UTC, to the second.
pub(crate) fn instant(time: i64) -> String {
    let time = jiff::Timestamp::from_second(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The package verification code of clause 7.9: SHA-1 over the files' sorted SHA-1s.
fn verification(files: &[&File], own: &[usize]) -> String {
    let mut sums: Vec<&str> = own.iter().map(|file| files[*file].digests.sha1.as_str()).collect();
    sums.sort_unstable();
    let mut hash = Sha1::new();
    sums.iter().for_each(|sum| hash.update(sum));
    crate::envelope::hex(&hash.finalize())
}

/// Sets what depends on whether a package's files are listed.
fn with_files(mut package: Value, code: &str, is_empty: bool) -> Value {
    package["filesAnalyzed"] = (!is_empty).into();
    if !is_empty {
        package["packageVerificationCode"] = json!({ "packageVerificationCodeValue": code });
        package["licenseInfoFromFiles"] = json!([UNSAID]);
    }
    package
}

fn image(contents: &Contents, code: &str, is_empty: bool) -> Value {
    let image = json!({
        "SPDXID": IMAGE,
        "name": contents.name,
        "downloadLocation": UNSAID,
        "licenseConcluded": UNSAID,
        "licenseDeclared": UNSAID,
        "copyrightText": UNSAID,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
        "comment": "",
    });
    with_files(image, code, is_empty)
}

fn describe(package: &Package, code: &str, is_empty: bool) -> Value {
    let described = json!({
        "SPDXID": package_id(&package.name),
        "name": package.name,
        "versionInfo": package.version,
        "supplier": format!("Organization: {}", package.publisher),
        "downloadLocation": UNSAID,
        "licenseConcluded": UNSAID,
        "licenseDeclared": expression(&package.licenses),
        "copyrightText": UNSAID,
        "summary": package.summary.as_deref().unwrap_or_default(),
        "sourceInfo": format!("{} manifest SHA256 {}", package.fmri(), package.manifest_sha256),
    });
    with_files(described, code, is_empty)
}

fn line(number: usize, file: &File) -> Line<'_> {
    let checksum = |algorithm, sum| Checksum { algorithm, checksum_value: sum };
    let Digests { sha1, sha256 } = &file.digests;
    Line {
        id: file_id(number),
        file_name: format!("./{}", file.path),
        checksums: [checksum("SHA1", sha1), checksum("SHA256", sha256)],
        license_concluded: UNSAID,
        license_info_in_files: [UNSAID],
        copyright_text: UNSAID,
        comment: format!("{} bytes", file.size),
    }
}

/// What the references to licences stand for.
fn extracted(packages: &[&Package]) -> Vec<Value> {
    let mut words: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for word in packages.iter().flat_map(|package| &package.licenses) {
        words.entry(identifier(word)).or_default().insert(word);
    }
    words.retain(|identifier, _| identifier.starts_with("LicenseRef-"));
    let said = |(identifier, words): (String, BTreeSet<&str>)| {
        let name = words.iter().copied().collect::<Vec<_>>().join(", ");
        let text = format!("The licence that the package calls {name}.");
        json!({ "licenseId": identifier, "name": name, "extractedText": text })
    };
    words.into_iter().map(said).collect()
}
