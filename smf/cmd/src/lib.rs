//! What svcs, svcadm, svccfg and svcprop share.
//!
//! Reading order: `repository` (the configuration repository as the commands see it; `backend` is
//! what serves it, `stored` its files where nobody does), `operand`
//! (which instances an operand names, and what is said when it names none), `instance` (an
//! instance with its properties, read once), `states` (of many, only what a table tells), `clock`
//! (times the way svcs prints them), `locale` (whose template texts are shown), `getopt` (a command
//! line that cannot be read), `svccfg_lex` (the words of svccfg, pure), `say` (messages).
//!
//! What is not here: options, messages and layouts, which belong to each command's own folder.

pub mod backend;
pub mod clock;
pub mod getopt;
pub mod instance;
pub mod locale;
pub mod operand;
pub mod repository;
pub mod say;
pub mod states;
mod stored;
pub mod svccfg_lex;
