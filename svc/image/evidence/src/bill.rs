//! bill.rs - the bill of materials: an SPDX 2.3 document, as JSON.
//!
//! The document describes one package, the image.  It contains the image's packages, which contain
//! their files and depend on each other; files that the build made are the image's own.  A file's length
//! stands in its comment: SPDX has no field for it.
//!
//! Source: the SPDX specification 2.3, clauses 6 to 11, and its JSON schema.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::contents::{Contents, File, Medium, Package};
use crate::license::{expression, identifier, reference};

/// The identifier of the image among the packages.
const IMAGE: &str = "SPDXRef-Image";

/// What is not known and was not asked for.
const UNSAID: &str = "NOASSERTION";

/// The document of an image.
#[must_use]
pub fn spdx(contents: &Contents) -> String {
    let packages = sorted(&contents.packages, |package| (&package.name, &package.publisher));
    let files = sorted(&contents.files, |file| (&file.path, &file.digests.sha256));
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
    let mut described = vec![image(contents, &verification(&files, own), own.is_empty())];
    for package in &packages {
        let id = package_id(&package.name);
        let own = holding(Some(&package.name));
        relations.push(relation(IMAGE, "CONTAINS", &id));
        let required: BTreeSet<&String> = package.requires.iter().collect();
        let there = required.into_iter().filter(|name| names.contains(name.as_str()));
        relations.extend(there.map(|name| relation(&id, "DEPENDS_ON", &package_id(name))));
        relations.extend(own.iter().map(|file| relation(&id, "CONTAINS", &file_id(*file))));
        described.push(describe(package, &verification(&files, own), own.is_empty()));
    }
    let created = instant(contents.time);
    let creator = format!("Tool: {}-{}", contents.tool.name, contents.tool.version);
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": contents.name,
        "documentNamespace": "",
        "creationInfo": { "created": created, "creators": [creator] },
        "documentDescribes": [IMAGE],
        "packages": described,
        "files": files.iter().enumerate().map(|(number, file)| line(number, file)).collect::<Vec<_>>(),
        "relationships": relations,
    });
    let extracted = extracted(&packages);
    if !extracted.is_empty() {
        document["hasExtractedLicensingInfos"] = extracted.into();
    }
    // Unique to these contents, and the same whenever they are the same.
    let digest = crate::envelope::sha256(document.to_string().as_bytes());
    let name = reference(&contents.name);
    document["documentNamespace"] =
        format!("https://spdx.org/spdxdocs/{name}-{}", &digest[..32]).into();
    format!("{document:#}\n")
}

fn sorted<'a, T, K: Ord>(all: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<&'a T> {
    let mut sorted: Vec<&T> = all.iter().collect();
    sorted.sort_by_key(|&one| key(one));
    sorted
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
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
    let media = sorted(&contents.media, |medium| &medium.name);
    let sums = |medium: &&Medium| format!("{} SHA256 {}", medium.name, medium.sha256);
    let mut image = json!({
        "SPDXID": IMAGE,
        "name": contents.name,
        "downloadLocation": UNSAID,
        "licenseConcluded": UNSAID,
        "licenseDeclared": UNSAID,
        "copyrightText": UNSAID,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
    });
    if !media.is_empty() {
        image["comment"] = media.iter().map(sums).collect::<Vec<_>>().join("\n").into();
    }
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

fn line(number: usize, file: &File) -> Value {
    json!({
        "SPDXID": file_id(number),
        "fileName": format!("./{}", file.path),
        "checksums": [
            { "algorithm": "SHA1", "checksumValue": file.digests.sha1 },
            { "algorithm": "SHA256", "checksumValue": file.digests.sha256 },
        ],
        "licenseConcluded": UNSAID,
        "licenseInfoInFiles": [UNSAID],
        "copyrightText": UNSAID,
        "comment": format!("{} bytes", file.size),
    })
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
