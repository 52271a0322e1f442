//! Forms of notices against what receivers demand: expected files, any text in any field, the CAP
//! schema by lxml, signatures computed by Python, and a real SMTP server.

mod fixtures;
mod golden;
mod mailpit;
mod properties;
mod robots;
mod rules;
mod xsd;
