//! Forms of notices against what receivers demand: expected files, any text in any field, the CAP
//! schema by lxml, signatures computed by Python, a real SMTP server and Alertmanager.

#[cfg(test)]
mod alertmanager;
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
