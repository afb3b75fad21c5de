//! told.rs - what pkgrecv says on the way, in pkg5's words: a heading for each publisher of the
//! sources, how many packages are looked at, figures where they are wanted, what came.

use std::collections::BTreeMap;

use ips_client::Source;
use ips_client::mogrify::Transforms;
use ips_cmd::Failure;
use ips_model::{Fmri, Pattern};

use crate::options::{Form, Options};
use crate::receive;
use crate::trial::Figures;

/// What is said on the way: a heading for each publisher, then what came of it.
pub struct Told<'a> {
    options: &'a Options,
    publishers: Vec<String>,
}

/// What came: packages, and where they are wanted the figures of each publisher.
#[derive(Default)]
pub struct Came {
    /// The packages, by the names they have now.
    pub packages: Vec<Fmri>,
    /// By publisher.
    pub figures: BTreeMap<String, Figures>,
}

impl Told<'_> {
    /// Says whose packages come first.
    pub fn begin<'a>(sources: &[&Source], options: &'a Options) -> Told<'a> {
        let mut publishers: Vec<String> = Vec::new();
        for catalog in sources.iter().flat_map(|source| source.catalogs()) {
            if !publishers.contains(&catalog.publisher) {
                publishers.push(catalog.publisher.clone());
            }
        }
        let told = Told { options, publishers };
        if let Some(first) = told.publishers.first() {
            told.heading(first);
        }
        told
    }

    fn heading(&self, publisher: &str) {
        let doing = match self.options.form {
            Form::Archive => "Retrieving",
            Form::Repository | Form::Raw | Form::RawStored => "Processing",
        };
        println!("{doing} packages for publisher {publisher} ...");
    }

    /// Says what came, publisher by publisher.
    pub fn end(&self, sources: &[&Source], meant: &[Pattern], came: &Came) -> Result<(), Failure> {
        let plain =
            Options { recursive: false, transforms: Transforms::default(), ..self.options.clone() };
        let chosen = match meant.is_empty() {
            true => Vec::new(),
            false => ips_client::chosen(sources, meant, &receive::options(&plain)?)
                .map_err(Failure::new)?,
        };
        let of = |fmri: &&Fmri, name: &str| fmri.publisher.as_deref() == Some(name);
        for (at, publisher) in self.publishers.iter().enumerate() {
            if at > 0 {
                self.heading(publisher);
            }
            match chosen.iter().filter(|fmri| of(fmri, publisher)).count() {
                0 => {}
                _ if self.options.recursive => {
                    println!("Retrieving manifests for dependency evaluation ...");
                }
                number => println!("Retrieving and evaluating {number} package(s)..."),
            }
            if let Some(figures) = came.figures.get(publisher) {
                figures.tell(self.options);
            }
            came.packages.iter().filter(|fmri| of(fmri, publisher)).for_each(|fmri| self.one(fmri));
        }
        // Those that rules have given to another publisher.
        let strange = |fmri: &&Fmri| !self.publishers.iter().any(|publisher| of(fmri, publisher));
        came.packages.iter().filter(strange).for_each(|fmri| self.one(fmri));
        Ok(())
    }

    fn one(&self, fmri: &Fmri) {
        match self.options.form {
            Form::Archive => println!("Archive: {fmri} ... Done"),
            Form::Repository | Form::Raw | Form::RawStored => {
                println!("Republish: {} ... Done", fmri.without_publisher());
            }
        }
    }
}
