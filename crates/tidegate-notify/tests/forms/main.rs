//! Forms of notices against what receivers demand: expected files, any text in any field, the CAP
//! schema by lxml, signatures computed by Python, and a real SMTP server.

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod mailpit;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod robots;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod xsd;
