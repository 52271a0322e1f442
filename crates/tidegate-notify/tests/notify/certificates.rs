//! An authority of the test's own, and certificates for loopback.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

/// An authority that nobody trusts who was not told to.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "Tidegate's test");
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// The authority's own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for loopback, and its key.
    pub(crate) fn loopback(&self) -> (rcgen::Certificate, KeyPair) {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        self.sign(params, KeyPair::generate().unwrap())
    }

    /// A certificate for others.
    pub(crate) fn sign(
        &self,
        params: CertificateParams,
        key: KeyPair,
    ) -> (rcgen::Certificate, KeyPair) {
        (params.signed_by(&key, &self.0).unwrap(), key)
    }
}
