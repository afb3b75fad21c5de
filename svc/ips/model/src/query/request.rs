//! request.rs - a query and what is wanted of it, as search/1 spells it.
//!
//! ```text
//! False_2_None_None_pear          CASE_RETURN_COUNT_START_TEXT
//! ```

use std::fmt;
use std::str::FromStr;

use crate::query::error::QueryError;

/// What a query gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    /// Packages, each once.
    Packages,
    /// Actions, with package and what was found.
    Actions,
}

impl Returns {
    /// Its number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Returns::Packages => 1,
            Returns::Actions => 2,
        }
    }
}

/// A query to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whether upper and lower case differ.
    pub case_sensitive: bool,
    /// What is to be given; a query of packages gives packages anyway.
    pub returns: Returns,
    /// How many at most.
    pub count: Option<i64>,
    /// How many to leave out first.
    pub start: Option<i64>,
    /// The query.
    pub text: String,
}

impl Request {
    /// All that is found, case ignored.
    pub fn of(text: &str, returns: Returns) -> Request {
        Request { case_sensitive: false, returns, count: None, start: None, text: text.into() }
    }
}

impl FromStr for Request {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Request, QueryError> {
        let refused = |name, value: &str| QueryError::Value {
            query: text.to_string(),
            name,
            value: value.to_string(),
        };
        let number = |name, value: &str| match value {
            "None" => Ok(None),
            value => value.trim().parse::<i64>().map(Some).map_err(|_| refused(name, value)),
        };
        let fields: Vec<&str> = text.splitn(5, '_').collect();
        let [case, returns, count, start, query] = fields[..] else {
            return Err(QueryError::Incomplete(text.to_string()));
        };
        let case_sensitive = match case {
            "True" => true,
            "False" => false,
            other => return Err(refused("case_sensitive", other)),
        };
        let count = number("num_to_return", count)?;
        let start = number("start_point", start)?;
        let returns = match returns.trim() {
            "1" => Returns::Packages,
            "2" => Returns::Actions,
            _ => return Err(refused("return_type", returns)),
        };
        Ok(Request { case_sensitive, returns, count, start, text: query.to_string() })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: Option<i64>| value.map_or("None".to_string(), |v| v.to_string());
        let case = if self.case_sensitive { "True" } else { "False" };
        let (count, start) = (number(self.count), number(self.start));
        write!(to, "{case}_{}_{count}_{start}_{}", self.returns.number(), self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_written() {
        for text in ["False_2_None_None_pear", "True_1_10_5_a_b OR c", "False_1_None_0_"] {
            assert_eq!(text.parse::<Request>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refusals() {
        for (text, name) in [
            ("true_2_None_None_x", "case_sensitive"),
            ("False_3_None_None_x", "return_type"),
            ("False_2_ten_None_x", "num_to_return"),
            ("False_2_1_0x1_x", "start_point"),
        ] {
            let refused = text.parse::<Request>().unwrap_err();
            assert!(matches!(refused, QueryError::Value { name: n, .. } if n == name), "{text}");
        }
        let short = "abc".parse::<Request>().unwrap_err();
        assert!(short.to_string().ends_with("lacked at least one of those fields:\nabc"));
        assert!(short.is_request());
    }
}
