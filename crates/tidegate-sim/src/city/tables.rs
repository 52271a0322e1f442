//! What is written down about the city: names, places and origins. All of it is invented.

use tidegate_model::{Incidence, ORIGIN_UNKNOWN};

/// A name in Chinese and English.
pub(super) type Name = (&'static str, &'static str);

pub(super) const MARKETS: [Name; 16] = [
    ("柳塘农贸市场", "Liutang Farmers' Market"),
    ("石桥农贸市场", "Shiqiao Farmers' Market"),
    ("古渡水产市场", "Gudu Fish Market"),
    ("南浦农贸市场", "Nanpu Farmers' Market"),
    ("杏林农贸市场", "Xinglin Farmers' Market"),
    ("白鹭洲批发市场", "Bailuzhou Wholesale Market"),
    ("青枫农贸市场", "Qingfeng Farmers' Market"),
    ("麻石巷菜市场", "Mashi Lane Market"),
    ("东篱农贸市场", "Dongli Farmers' Market"),
    ("云栈果品市场", "Yunzhan Fruit Market"),
    ("望江农贸市场", "Wangjiang Farmers' Market"),
    ("芦汀菜市场", "Luting Market"),
    ("银杏里菜市场", "Yinxingli Market"),
    ("荷亭农贸市场", "Heting Farmers' Market"),
    ("竹坞农贸市场", "Zhuwu Farmers' Market"),
    ("龙津批发市场", "Longjin Wholesale Market"),
];

pub(super) const SUPERMARKETS: [Name; 14] = [
    ("惠澜超市柳塘店", "Huilan Supermarket Liutang"),
    ("惠澜超市石桥店", "Huilan Supermarket Shiqiao"),
    ("惠澜超市江湾店", "Huilan Supermarket Jiangwan"),
    ("惠澜超市北站店", "Huilan Supermarket North Station"),
    ("百川生鲜杏林店", "Baichuan Fresh Xinglin"),
    ("百川生鲜南浦店", "Baichuan Fresh Nanpu"),
    ("百川生鲜明湖店", "Baichuan Fresh Minghu"),
    ("百川生鲜东站店", "Baichuan Fresh East Station"),
    ("邻家仓储超市西岭店", "Linjia Warehouse Xiling"),
    ("邻家仓储超市龙津店", "Linjia Warehouse Longjin"),
    ("邻家仓储超市会展店", "Linjia Warehouse Expo"),
    ("禾光超市大学城店", "Heguang Supermarket College Town"),
    ("禾光超市青枫店", "Heguang Supermarket Qingfeng"),
    ("禾光超市望江店", "Heguang Supermarket Wangjiang"),
];

pub(super) const OFFICES: [Name; 10] = [
    ("澜江政务中心", "Lanjiang Civic Centre"),
    ("长汀金融大厦", "Changting Finance Tower"),
    ("会展写字楼", "Expo Office Building"),
    ("明湖软件园一号楼", "Minghu Software Park 1"),
    ("明湖软件园二号楼", "Minghu Software Park 2"),
    ("江湾广场", "Jiangwan Plaza"),
    ("西岭设计院", "Xiling Design Institute"),
    ("港务大楼", "Port Authority Building"),
    ("青枫商务中心", "Qingfeng Business Centre"),
    ("东站物流大厦", "East Station Logistics Tower"),
];

/// Quarantine facilities with their place, metres east and north of the city's centre.
pub(super) const QUARANTINE: [(Name, [f64; 2]); 2] = [
    (
        ("白鹭洲隔离点", "Bailuzhou Quarantine Facility"),
        [10_400.0, 7_100.0],
    ),
    (
        ("南岭隔离点", "Nanling Quarantine Facility"),
        [-10_300.0, -6_900.0],
    ),
];

/// Stations with their place, metres east and north of the centre. The first [`RAIL_STATIONS`]
/// are railway stations.
pub(super) const STATIONS: [(Name, [f64; 2]); 12] = [
    (
        ("澜江北站", "Lanjiang North Railway Station"),
        [-2_500.0, 6_500.0],
    ),
    (
        ("澜江东站", "Lanjiang East Railway Station"),
        [8_200.0, 600.0],
    ),
    (("柳塘站", "Liutang Station"), [-2_300.0, 4_200.0]),
    (("石桥站", "Shiqiao Station"), [-2_000.0, 1_800.0]),
    (("江湾站", "Jiangwan Station"), [-1_800.0, -900.0]),
    (("南浦站", "Nanpu Station"), [-1_300.0, -3_600.0]),
    (("大学城站", "College Town Station"), [-900.0, -6_400.0]),
    (("西岭站", "Xiling Station"), [-9_000.0, 900.0]),
    (("杏林站", "Xinglin Station"), [-5_600.0, 1_300.0]),
    (("会展中心站", "Expo Centre Station"), [1_400.0, 1_500.0]),
    (("明湖站", "Minghu Station"), [4_800.0, 1_100.0]),
    (("龙津站", "Longjin Station"), [5_600.0, -5_200.0]),
];

/// How many of [`STATIONS`] have long-distance trains.
pub(super) const RAIL_STATIONS: usize = 2;

/// Metro lines as indices into [`STATIONS`].
pub(super) const METRO: [(&str, Name, &[usize]); 3] = [
    ("m1", ("地铁1号线", "Metro line 1"), &[0, 2, 3, 4, 5, 6]),
    ("m2", ("地铁2号线", "Metro line 2"), &[7, 8, 3, 9, 10, 1]),
    ("m3", ("地铁3号线", "Metro line 3"), &[6, 11, 10, 9, 4]),
];

/// Bus routes: from one of [`STATIONS`] to another, past a corner (metres east and north).
pub(super) const BUSES: [(&str, usize, [f64; 2], usize); 8] = [
    ("b01", 0, [-6_300.0, 5_600.0], 8),
    ("b02", 7, [-7_600.0, -3_800.0], 5),
    ("b03", 2, [1_700.0, 4_900.0], 9),
    ("b04", 1, [8_900.0, -4_100.0], 11),
    ("b05", 6, [2_300.0, -8_100.0], 11),
    ("b06", 10, [5_300.0, 6_200.0], 0),
    ("b07", 4, [2_200.0, -2_500.0], 10),
    ("b08", 8, [-5_900.0, -6_300.0], 6),
];

/// Stops of a bus route.
pub(super) const BUS_STOPS: usize = 8;

/// Road checkpoints at the city's edge: name and place, metres east and north of the centre.
pub(super) const CHECKPOINTS: [(Name, [f64; 2]); 20] = [
    (("北环收费站", "North Ring Toll"), [-8_200.0, 8_800.0]),
    (("柳北卡口", "Liubei Post"), [-5_100.0, 8_850.0]),
    (
        ("北站高速口", "North Station Motorway"),
        [-1_300.0, 8_700.0],
    ),
    (("青枫岭卡口", "Qingfeng Ridge Post"), [1_900.0, 8_800.0]),
    (("明湖北卡口", "Minghu North Post"), [5_200.0, 8_750.0]),
    (("白鹭洲大桥", "Bailuzhou Bridge"), [9_300.0, 8_600.0]),
    (("东环收费站", "East Ring Toll"), [11_700.0, 5_600.0]),
    (("东站高速口", "East Station Motorway"), [11_800.0, 2_100.0]),
    (("云栈卡口", "Yunzhan Post"), [11_750.0, -1_200.0]),
    (("龙津东卡口", "Longjin East Post"), [11_600.0, -4_700.0]),
    (("龙津收费站", "Longjin Toll"), [9_800.0, -8_700.0]),
    (("南环收费站", "South Ring Toll"), [6_100.0, -8_800.0]),
    (("大学城南口", "College Town South"), [2_700.0, -8_850.0]),
    (("竹坞卡口", "Zhuwu Post"), [-800.0, -8_700.0]),
    (("南岭卡口", "Nanling Post"), [-4_300.0, -8_800.0]),
    (("南岭收费站", "Nanling Toll"), [-8_600.0, -8_700.0]),
    (("西岭南卡口", "Xiling South Post"), [-11_700.0, -5_200.0]),
    (("西环收费站", "West Ring Toll"), [-11_800.0, -1_300.0]),
    (("古渡大桥", "Gudu Bridge"), [-11_750.0, 2_400.0]),
    (("西岭北卡口", "Xiling North Post"), [-11_600.0, 6_200.0]),
];

/// Districts with their edges: west, south, east, north, metres from the centre. Together they
/// fill the city.
pub(super) const DISTRICTS: [(Name, [f64; 4]); 3] = [
    (
        ("澜北区", "Lanbei District"),
        [-12_000.0, 0.0, 2_000.0, 9_000.0],
    ),
    (
        ("望江区", "Wangjiang District"),
        [-12_000.0, -9_000.0, 2_000.0, 0.0],
    ),
    (
        ("明湖区", "Minghu District"),
        [2_000.0, -9_000.0, 12_000.0, 9_000.0],
    ),
];

/// The city's edges, as above.
pub(super) const CITY_EDGES: [f64; 4] = [-12_000.0, -9_000.0, 12_000.0, 9_000.0];

/// Streets, four of each district, south-west, south-east, north-west, north-east.
pub(super) const STREETS: [[Name; 4]; 3] = [
    [
        ("西岭街道", "Xiling Street"),
        ("石桥街道", "Shiqiao Street"),
        ("古渡街道", "Gudu Street"),
        ("柳塘街道", "Liutang Street"),
    ],
    [
        ("南岭街道", "Nanling Street"),
        ("竹坞街道", "Zhuwu Street"),
        ("杏林街道", "Xinglin Street"),
        ("江湾街道", "Jiangwan Street"),
    ],
    [
        ("龙津街道", "Longjin Street"),
        ("云栈街道", "Yunzhan Street"),
        ("明湖街道", "Minghu Street"),
        ("白鹭洲街道", "Bailuzhou Street"),
    ],
];

/// Who answers for a unit of each level: roles, never persons.
pub(super) const DUTIES: [(&str, &str); 4] = [
    ("city", "市指挥中心值班长 / city command centre duty chief"),
    ("district", "区应急值班主任 / district duty director"),
    ("street", "街道值班干部 / street duty officer"),
    ("grid", "网格员 / community grid officer"),
];

/// Where travellers come from. `R01` to `R09` are quiet, `R10` and `R11` have an outbreak that is
/// known, `R12` a large one; `unknown` carries a cautious guess.
pub(super) fn origins() -> Vec<Incidence> {
    let quiet = [0.15, 0.3, 0.5];
    let busy = [0.1, 0.2, 0.4];
    let rows: [(&str, u64, u64, [f64; 3], f64); 13] = [
        ("R01", 14, 4_200_000, quiet, 7.0),
        ("R02", 9, 2_900_000, quiet, 7.0),
        ("R03", 41, 6_800_000, quiet, 7.0),
        ("R04", 3, 1_100_000, quiet, 7.0),
        ("R05", 66, 8_900_000, quiet, 7.0),
        ("R06", 22, 3_500_000, quiet, 7.0),
        ("R07", 0, 780_000, quiet, 7.0),
        ("R08", 57, 5_200_000, quiet, 7.0),
        ("R09", 95, 4_700_000, quiet, 7.0),
        ("R10", 1_350, 5_400_000, busy, 8.0),
        ("R11", 760, 6_100_000, busy, 8.0),
        ("R12", 2_600, 1_900_000, [0.08, 0.15, 0.3], 8.0),
        (ORIGIN_UNKNOWN, 420, 50_000_000, busy, 7.0),
    ];
    rows.map(
        |(origin, cases_7d, population, ascertainment, days)| Incidence {
            origin: origin.to_owned(),
            cases_7d,
            population,
            ascertainment,
            infectious_days: days,
            as_of: "2026-03-01".to_owned(),
        },
    )
    .to_vec()
}
