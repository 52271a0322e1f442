//! Fields that could identify a person: a record that has one is refused and its bytes dropped.
//!
//! Names are compared whole, after folding: lower case, without `_`, `-`, `.` and spaces. A field
//! called `id_card`, `idCard` or `ID-Card` is the same field; `station_name` is not `name`.

use crate::config::ConfigProblem;

/// The deny list of a feed that has none of its own (design section 4).
pub const DEFAULT_PERSONAL_FIELDS: &[&str] = &[
    "name",
    "full_name",
    "first_name",
    "last_name",
    "family_name",
    "given_name",
    "surname",
    "person_name",
    "passenger_name",
    "driver_name",
    "driver_id",
    "driver_ref",
    "owner_name",
    "holder_name",
    "person_id",
    "passenger_id",
    "id_card",
    "id_card_no",
    "id_card_number",
    "id_no",
    "id_num",
    "id_number",
    "identity_card",
    "identity_number",
    "national_id",
    "citizen_id",
    "ssn",
    "passport",
    "passport_no",
    "passport_number",
    "phone",
    "phone_no",
    "phone_num",
    "phone_number",
    "mobile",
    "mobile_no",
    "mobile_number",
    "mobile_phone",
    "cellphone",
    "telephone",
    "tel",
    "msisdn",
    "email",
    "e_mail",
    "plate",
    "plate_no",
    "plate_number",
    "number_plate",
    "license_plate",
    "licence_plate",
    "car_plate",
    "vehicle_plate",
    "vin",
    "mac",
    "mac_addr",
    "mac_address",
    "bssid",
    "imsi",
    "imei",
    "meid",
    "iccid",
    "idfa",
    "oaid",
    "android_id",
    "face",
    "face_id",
    "face_image",
    "face_feature",
    "fingerprint",
    "iris",
    "birthday",
    "birth_date",
    "date_of_birth",
    "home_address",
    "token",
    "access_token",
    "user_token",
    "device_id",
    "device_token",
    "user_id",
    "open_id",
    "union_id",
    "card_no",
    "card_number",
    "姓名",
    "名字",
    "旅客姓名",
    "乘客姓名",
    "身份证",
    "身份证号",
    "身份证号码",
    "身份證",
    "身份證號",
    "身份證號碼",
    "证件号",
    "证件号码",
    "證件號碼",
    "护照",
    "护照号",
    "护照号码",
    "護照",
    "護照號碼",
    "手机",
    "手机号",
    "手机号码",
    "手機",
    "手機號",
    "手機號碼",
    "电话",
    "电话号码",
    "联系电话",
    "電話",
    "電話號碼",
    "聯絡電話",
    "邮箱",
    "电子邮箱",
    "车牌",
    "车牌号",
    "车牌号码",
    "車牌",
    "車牌號",
    "車牌號碼",
    "人脸",
    "人臉",
    "指纹",
    "指紋",
    "出生日期",
    "家庭住址",
    "住址",
    "卡号",
    "令牌",
];

/// The longest folded name of the list, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A deny list, made for one cheap look-up a field.
#[derive(Debug, Clone)]
pub(crate) struct PersonalFields {
    /// Folded, sorted.
    names: Vec<Box<str>>,
    /// Whether a folded name starts with this byte.
    first: [bool; 256],
}

impl PersonalFields {
    /// The list of `fields`, or the default one.
    pub(crate) fn try_new(fields: Option<&[String]>) -> Result<Self, Vec<ConfigProblem>> {
        let Some(fields) = fields else {
            return Ok(Self::built_in());
        };
        let problems: Vec<ConfigProblem> = fields
            .iter()
            .enumerate()
            .filter(|(_, field)| !(1..=NAME_BYTES_MAX).contains(&fold(field).len()))
            .map(|(index, field)| {
                ConfigProblem::new(
                    format!("personal_fields[{index}]"),
                    format!("{field:?} is not a field name of 1 to {NAME_BYTES_MAX} bytes"),
                )
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self::of(fields.iter().map(String::as_str)))
    }

    /// The list of a feed that has none of its own.
    pub(crate) fn built_in() -> Self {
        Self::of(DEFAULT_PERSONAL_FIELDS.iter().copied())
    }

    fn of<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let mut names: Vec<Box<str>> = names.map(|name| fold(name).into()).collect();
        names.sort_unstable();
        names.dedup();
        let mut first = [false; 256];
        for byte in names.iter().filter_map(|name| name.bytes().next()) {
            first[usize::from(byte)] = true;
        }
        Self { names, first }
    }

    /// Whether a field called `field` could identify a person.
    pub(crate) fn denies(&self, field: &str) -> bool {
        let mut folded = [0_u8; NAME_BYTES_MAX];
        let mut len = 0;
        for &byte in field.as_bytes() {
            if !byte.is_ascii() {
                return self.has(&fold(field));
            }
            if is_joint(byte) {
                continue;
            }
            let byte = byte.to_ascii_lowercase();
            if len == 0 && !self.first[usize::from(byte)] {
                // Most names end here. A name that goes on beyond ASCII cannot match either: the
                // first byte of its folded form is this one.
                return false;
            }
            if len == NAME_BYTES_MAX {
                return false;
            }
            folded[len] = byte;
            len += 1;
        }
        std::str::from_utf8(&folded[..len]).is_ok_and(|folded| self.has(folded))
    }

    /// The first field of `bytes` that the list denies, when they are read as loosely as can be:
    /// broken JSON must not be kept because it is broken. Whatever stands before a colon counts as
    /// a field, in double, single or no quotes.
    pub(crate) fn find_before_colon(&self, bytes: &[u8]) -> bool {
        const BACK_MAX: usize = 256;
        bytes
            .iter()
            .enumerate()
            .filter(|&(_, byte)| *byte == b':')
            .any(|(colon, _)| {
                let before = bytes[colon.saturating_sub(BACK_MAX)..colon].trim_ascii_end();
                let before = match before {
                    [head @ .., b'"' | b'\''] => head,
                    _ => before,
                };
                let start = before
                    .iter()
                    .rposition(|byte| matches!(byte, b'"' | b'\'' | b'{' | b'[' | b',' | b'\n'))
                    .map_or(0, |quote| quote + 1);
                self.denies_loose(&before[start..])
            })
    }

    /// Whether a cell of the header line `line` is denied, whatever the delimiter is.
    pub(crate) fn find_in_header(&self, line: &[u8]) -> bool {
        line.split(|byte| matches!(byte, b',' | b';' | b'\t' | b'|'))
            .any(|cell| self.denies_loose(cell))
    }

    /// Whether a text between the control bytes of `bytes` is denied, where they are not plain text:
    /// a broken Arrow schema must not be kept because it is broken.
    pub(crate) fn find_in_binary(&self, bytes: &[u8]) -> bool {
        bytes.contains(&0)
            && bytes
                .split(u8::is_ascii_control)
                .any(|text| self.denies_loose(text))
    }

    /// Whether an element or attribute of `bytes` is denied, read as loosely as can be: whatever
    /// follows `<` or `</` is a tag up to the next `>` or `<`, and in a tag whatever stands before
    /// `=` is an attribute.
    pub(crate) fn find_in_tags(&self, bytes: &[u8]) -> bool {
        memchr::memchr_iter(b'<', bytes).any(|at| {
            let tag = &bytes[at + 1..];
            let tag = &tag[..memchr::memchr2(b'<', b'>', tag).unwrap_or(tag.len())];
            let tag = tag.strip_prefix(b"/").unwrap_or(tag);
            let end = tag
                .iter()
                .position(|byte| byte.is_ascii_whitespace() || *byte == b'/');
            self.denies_local(&tag[..end.unwrap_or(tag.len())])
                || memchr::memchr_iter(b'=', tag).any(|equals| self.denies_key(&tag[..equals]))
        })
    }

    /// Whether the attribute at the end of `tag` is denied.
    fn denies_key(&self, tag: &[u8]) -> bool {
        const BACK_MAX: usize = 256;
        let tag = tag[tag.len().saturating_sub(BACK_MAX)..].trim_ascii_end();
        let start = tag
            .iter()
            .rposition(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\''));
        self.denies_local(&tag[start.map_or(0, |at| at + 1)..])
    }

    /// Whether a name is denied without its prefix.
    fn denies_local(&self, name: &[u8]) -> bool {
        let start = memchr::memrchr(b':', name).map_or(0, |colon| colon + 1);
        let name = &name[start..];
        !name.is_empty() && self.denies_loose(name)
    }

    fn denies_loose(&self, name: &[u8]) -> bool {
        let name = String::from_utf8_lossy(name);
        let name =
            name.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\u{feff}'));
        if name.contains('\\')
            && let Ok(name) = serde_json::from_str::<String>(&format!("\"{name}\""))
        {
            return self.denies(name.trim());
        }
        self.denies(name)
    }

    fn has(&self, folded: &str) -> bool {
        self.names
            .binary_search_by(|name| name.as_ref().cmp(folded))
            .is_ok()
    }
}

const fn is_joint(byte: u8) -> bool {
    matches!(byte, b'_' | b'-' | b' ' | b'.')
}

fn fold(name: &str) -> String {
    name.chars()
        .filter(|&c| !(c.is_ascii() && is_joint(c as u8)))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list() -> PersonalFields {
        PersonalFields::try_new(None).unwrap()
    }

    #[test]
    fn whole_names_in_any_case_and_joint() {
        for field in [
            "name",
            "NAME",
            "id_card",
            "idCard",
            "ID-Card",
            "Id Card",
            "phone",
            "Phone_Number",
            "手机",
            "姓名",
            "身份证号",
            "MAC",
            "mac-address",
            "imsi",
            "token",
            "face",
            "车牌",
        ] {
            assert!(list().denies(field), "{field}");
        }
        for field in [
            "",
            "_",
            "station_name",
            "names",
            "site",
            "id",
            "count",
            "macro",
            "手机店",
            "é",
            "facet",
            "platform",
        ] {
            assert!(!list().denies(field), "{field}");
        }
    }

    #[test]
    fn broken_bytes_are_searched_too() {
        for bytes in [
            b"\x05\0\0\0phone\0".as_slice(),
            b"\0Id-Card",
            "\0手机\0".as_bytes(),
        ] {
            assert!(list().find_in_binary(bytes), "{bytes:?}");
        }
        for bytes in [
            b"phone".as_slice(),
            b"\0phones\0",
            b"\0a phone\0",
            b"\0\xff\0",
        ] {
            assert!(!list().find_in_binary(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn a_list_of_its_own_replaces_the_default() {
        let own = PersonalFields::try_new(Some(&["Badge-No".to_owned()])).unwrap();
        assert!(own.denies("badge_no") && !own.denies("name"));
        let none = PersonalFields::try_new(Some(&[])).unwrap();
        assert!(!none.denies("name") && !none.denies(""));
        let problems =
            PersonalFields::try_new(Some(&["_".to_owned(), "a".repeat(65)])).unwrap_err();
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn broken_json_is_searched_too() {
        for text in [
            r#"{"site":"a","phone":"138"#,
            r#"{"site":"a, "phone" : 1}"#,
            r"{'phone': 1}",
            "{phone: 1}",
            r#"{"ph\u006fne":1"#,
            "{\"site\":\"a\",\n手机:1",
        ] {
            assert!(list().find_before_colon(text.as_bytes()), "{text}");
        }
        assert!(list().find_before_colon(b"{\"s\":\"\xff\",\"phone\":1}"));
        assert!(!list().find_before_colon(br#"{"site":"phone","start":"2026-03-01T08:00:00Z"#));
    }

    #[test]
    fn broken_xml_is_searched_too() {
        for text in [
            "<phone>",
            "<a:phone",
            "</Phone ",
            "<<phone/>",
            "<a phone='1'>",
            "<a\n x:phone = '1'",
            "<a b=''phone=''",
            "<?x?><!-- <Driver-Name>",
            "< ?<手机>",
        ] {
            assert!(list().find_in_tags(text.as_bytes()), "{text}");
        }
        assert!(list().find_in_tags(b"\xff<phone\xff <phone"));
        for text in [
            "",
            "phone>",
            "<>phone=",
            "< phone>",
            "<a b='phone'>",
            "<StopPointName>",
        ] {
            assert!(!list().find_in_tags(text.as_bytes()), "{text}");
        }
    }

    proptest! {
        /// The look-up without allocation must agree with folding and searching.
        #[test]
        fn denies_equals_fold(field in "([nN][aA][mM][eE]|[ _.-]|手机|[a-z]){0,8}") {
            let list = list();
            prop_assert_eq!(list.denies(&field), list.has(&fold(&field)));
        }
    }
}
