//! Languages told by ordinary sentences, none of which was used to make the tables.

use crate::output::{identify, languages};

/// Two sentences for each language.
const SENTENCES: &[(&str, &str)] = &[
    (
        "en",
        "The meeting was moved to Thursday because two of our guests could not come any earlier.",
    ),
    (
        "en",
        "Water boils at a lower temperature when you are high up in the mountains.",
    ),
    (
        "de",
        "Die Besprechung wurde auf Donnerstag verschoben, weil zwei unserer Gäste nicht früher kommen konnten.",
    ),
    (
        "de",
        "Im Gebirge kocht das Wasser schon bei einer niedrigeren Temperatur.",
    ),
    (
        "fr",
        "La réunion a été reportée à jeudi parce que deux de nos invités ne pouvaient pas venir plus tôt.",
    ),
    ("fr", "En montagne, l'eau bout à une température plus basse."),
    (
        "es",
        "La reunión se aplazó al jueves porque dos de nuestros invitados no podían venir antes.",
    ),
    ("es", "En la montaña el agua hierve a una temperatura más baja."),
    (
        "pt",
        "A reunião foi adiada para quinta-feira porque dois dos nossos convidados não podiam vir mais cedo.",
    ),
    (
        "it",
        "La riunione è stata spostata a giovedì perché due dei nostri ospiti non potevano venire prima.",
    ),
    (
        "it",
        "In montagna l'acqua bolle a una temperatura più bassa di quella che si ha al mare.",
    ),
    (
        "nl",
        "De vergadering is naar donderdag verplaatst omdat twee van onze gasten niet eerder konden komen.",
    ),
    (
        "sv",
        "Mötet flyttades till torsdag eftersom två av våra gäster inte kunde komma tidigare.",
    ),
    (
        "fi",
        "Kokous siirrettiin torstaille, koska kaksi vieraistamme ei voinut tulla aikaisemmin, mutta se ei haittaa.",
    ),
    (
        "pl",
        "Spotkanie przesunięto na czwartek, ponieważ dwóch naszych gości nie mogło przyjść wcześniej.",
    ),
    (
        "hu",
        "Az értekezletet csütörtökre halasztották, mert két vendégünk nem tudott korábban jönni.",
    ),
    (
        "ro",
        "Ședința a fost amânată pentru joi, deoarece doi dintre invitații noștri nu au putut veni mai devreme.",
    ),
    (
        "tr",
        "Toplantı perşembeye ertelendi çünkü iki misafirimiz daha erken gelemedi ve bu bir sorun değil.",
    ),
    (
        "vi",
        "Cuộc họp đã được dời sang thứ năm vì hai vị khách của chúng tôi không thể đến sớm hơn.",
    ),
    (
        "id",
        "Rapat dipindahkan ke hari Kamis karena dua tamu kami tidak dapat datang lebih awal.",
    ),
    (
        "ru",
        "Встречу перенесли на четверг, потому что двое из наших гостей не могли приехать раньше.",
    ),
    (
        "uk",
        "Зустріч перенесли на четвер, тому що двоє з наших гостей не могли приїхати раніше.",
    ),
    (
        "bg",
        "Срещата беше преместена за четвъртък, защото двама от нашите гости не можеха да дойдат по-рано.",
    ),
    (
        "el",
        "Η συνάντηση μεταφέρθηκε για την Πέμπτη επειδή δύο καλεσμένοι δεν μπορούσαν.",
    ),
    (
        "ar",
        "تم نقل الاجتماع إلى يوم الخميس لأن اثنين من ضيوفنا لم يتمكنا من الحضور في وقت أبكر",
    ),
    (
        "fa",
        "جلسه به پنجشنبه منتقل شد چون دو نفر از مهمانان ما نمی‌توانستند زودتر بیایند و این را گفتند",
    ),
    (
        "he",
        "הפגישה נדחתה ליום חמישי כי שניים מהאורחים שלנו לא יכלו להגיע מוקדם יותר",
    ),
    (
        "hi",
        "बैठक गुरुवार के लिए टाल दी गई क्योंकि हमारे दो मेहमान पहले नहीं आ सकते थे और यह ठीक है",
    ),
    ("ja", "お客様が早く来られないため、会議は木曜日に変更されました。"),
    ("zh", "会议改到了星期四，因为我们的两位客人不能提前到。"),
    (
        "ko",
        "손님 두 분이 더 일찍 오실 수 없어서 회의가 목요일로 옮겨졌습니다.",
    ),
    ("th", "การประชุมถูกเลื่อนไปเป็นวันพฤหัสบดีเพราะแขกสองคนมาก่อนไม่ได้"),
];

#[test]
fn ordinary_sentences_are_told() {
    let mut wrong = Vec::new();
    for (code, sentence) in SENTENCES {
        let guess = identify(sentence);
        if guess.is_none_or(|guess| guess.language.code() != *code) {
            wrong.push((*code, guess));
        }
    }
    assert_eq!(wrong, []);
}

#[test]
fn what_is_no_text_has_no_language() {
    for text in [
        "",
        "42",
        "OK",
        "https://example.org/a/b/c?d=e&f=g",
        "x = y + z; a[b] = c(d, e, f, g, h, i, j, k);",
        "AKIA QWER TYUI OPAS DFGH JKLZ XCVB NMQW ERTY UIOP ASDF",
        "привет hello שלום 你好",
    ] {
        assert_eq!(identify(text), None, "{text}");
    }
}

#[test]
fn languages_stand_once() {
    let mut codes: Vec<&str> = languages().map(|language| language.code()).collect();
    let all = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!((codes.len(), all >= 50), (all, true));
}
