//! Sans-I/O: nations and the words their users are made of. Small on purpose: shape matters, not variety.

/// The nations, in the order the API documents them.
pub(super) const NATIONS: [&str; 21] = [
    "AU", "BR", "CA", "CH", "DE", "DK", "ES", "FI", "FR", "GB", "IE", "IN", "IR", "MX", "NL", "NO", "NZ",
    "RS", "TR", "UA", "US",
];

/// The words of a nation.
pub(super) struct Pool {
    pub(super) country: &'static str,
    pub(super) female: &'static [&'static str],
    pub(super) male: &'static [&'static str],
    pub(super) last: &'static [&'static str],
    pub(super) cities: &'static [&'static str],
    pub(super) states: &'static [&'static str],
    pub(super) streets: &'static [&'static str],
}

const LATIN: Pool = Pool {
    country: "",
    female: &[
        "Ada", "Brenda", "Chloé", "Dana", "Élise", "Freja", "Gül", "Hanna", "Inés", "Júlia", "Kaisa",
        "Louise",
    ],
    male: &[
        "Aksel", "Björn", "Carlos", "Dirk", "Emre", "Félix", "Gustavo", "Hugo", "Ian", "José", "Kurt", "Liam",
    ],
    last: &[
        "Andersen",
        "Bouvier",
        "Çelik",
        "Díaz",
        "Evans",
        "Fischer",
        "Gonçalves",
        "Hakala",
        "Ibáñez",
        "Jansen",
        "Kowhai",
        "Lambert",
        "Müller",
        "Nuñez",
        "O'Brien",
        "Petit",
    ],
    cities: &[
        "Aarhus",
        "Brasília",
        "Cork",
        "Dunedin",
        "Espoo",
        "Fürth",
        "Genève",
        "Hastings",
        "İzmir",
        "Jaén",
        "Kerava",
        "León",
    ],
    states: &[
        "Alabama",
        "Bayern",
        "Córdoba",
        "Devon",
        "Fribourg",
        "Gelderland",
        "Hovedstaden",
        "Île-de-France",
    ],
    streets: &[
        "Main Street",
        "Rue de l'Église",
        "Calle de Alcalá",
        "Church Road",
        "Bahnhofstraße",
        "Atatürk Sk",
        "Mannerheimintie",
        "Station Road",
    ],
};

const PERSIAN: Pool = Pool {
    country: "Iran",
    female: &["آوا", "پارمیس", "ثنا", "سارا", "نیایش"],
    male: &["امیر", "آرش", "پارسا", "رضا", "محمد"],
    last: &["احمدی", "حسینی", "رضایی", "کریمی", "موسوی"],
    cities: &["تهران", "اصفهان", "شیراز", "تبریز"],
    states: &["فارس", "گیلان", "خراسان رضوی", "یزد"],
    streets: &["آزادی", "شهید بهشتی", "ولیعصر", "کارگر"],
};

const SERBIAN: Pool = Pool {
    country: "Serbia",
    female: &["Ана", "Јелена", "Милица", "Наталија", "Тијана"],
    male: &["Бранко", "Душан", "Никола", "Саша", "Урош"],
    last: &["Јовановић", "Николић", "Петровић", "Ђорђевић", "Живковић"],
    cities: &["Београд", "Ниш", "Нови Сад", "Чачак"],
    states: &["Бор", "Јабланица", "Мачва", "Шумадија"],
    streets: &["Кнеза Милоша", "Змај Јовина", "Булевар ослобођења"],
};

const UKRAINIAN: Pool = Pool {
    country: "Ukraine",
    female: &["Ганна", "Єлизавета", "Ївга", "Оксана", "Юлія"],
    male: &["Андрій", "Богдан", "Ігор", "Олексій", "Юрій"],
    last: &["Бойко", "Гнатюк", "Ковальчук", "Мельник", "Шевченко"],
    cities: &["Київ", "Львів", "Одеса", "Рівне"],
    states: &["Волинська", "Київська", "Сумська", "Черкаська"],
    streets: &["Хрещатик", "Шевченка", "Івана Франка"],
};

/// The words of a nation; Latin ones but for IR, RS and UA (EC-155).
pub(super) fn pool(nation: &str) -> Pool {
    let country = match nation {
        "IR" => return PERSIAN,
        "RS" => return SERBIAN,
        "UA" => return UKRAINIAN,
        "AU" => "Australia",
        "BR" => "Brazil",
        "CA" => "Canada",
        "CH" => "Switzerland",
        "DE" => "Germany",
        "DK" => "Denmark",
        "ES" => "Spain",
        "FI" => "Finland",
        "FR" => "France",
        "GB" => "United Kingdom",
        "IE" => "Ireland",
        "IN" => "India",
        "MX" => "Mexico",
        "NL" => "Netherlands",
        "NO" => "Norway",
        "NZ" => "New Zealand",
        "TR" => "Turkey",
        _ => "United States",
    };
    Pool { country, ..LATIN }
}
