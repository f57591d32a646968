"""The English-French sentences: as many as promised, made again byte for byte, and correct.

What can be wrong with the French is looked for in the whole file, with tables and rules written
here by hand. They share nothing with the generator, so that a slip in its lexicon is not repeated
in what should notice it.
"""
import importlib.util
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

DATA = Path(__file__).parent.parent / "data"

# French nouns, masculine and feminine: singular/plural; one form for both, or a singular alone.
NOUNS = {
    "m": """corbeau/corbeaux renard/renards loup/loups chien/chiens chat/chats cheval/chevaux
        âne/ânes lion/lions ours/ours oiseau/oiseaux hibou/hiboux héron/hérons agneau/agneaux
        homme/hommes fermier/fermiers berger/bergers roi/rois meunier/meuniers enfant/enfants
        caillou/cailloux panier/paniers anneau/anneaux bâton/bâtons chapeau/chapeaux
        manteau/manteaux œuf/œufs gâteau/gâteaux pain fromage miel lait vin jardin/jardins
        champ/champs puits village arbre/arbres pont/ponts mur/murs moulin château""",
    "f": """hirondelle/hirondelles oie/oies abeille/abeilles fourmi/fourmis souris/souris
        chèvre/chèvres grenouille/grenouilles femme/femmes reine/reines fille/filles mère/mères
        cruche/cruches clé/clés corde/cordes cloche/cloches plume/plumes couronne/couronnes
        échelle/échelles hache/haches lampe/lampes pomme/pommes poire/poires noix/noix viande eau
        forêt/forêts rivière maison/maisons route/routes colline/collines grange/granges
        auberge/auberges""",
}
GENDER, NUMBERS = {}, {}            # noun -> m or f; noun -> "s", "p" or "sp"
for gender, nouns in NOUNS.items():
    for entry in nouns.split():
        for number, form in zip("sp", entry.split("/")):
            GENDER[form] = gender
            NUMBERS[form] = NUMBERS.get(form, "") + number
PERSONS = set("""man farmer shepherd king miller child woman queen girl mother men farmers shepherds
    kings millers children women queens girls mothers""".split())

# Adjectives before the noun and after it: m, f, m plural, f plural.
BEFORE = """grand grande grands grandes/petit petite petits petites/vieux vieille vieux vieilles
    /vieil - - -/jeune jeune jeunes jeunes/bon bonne bons bonnes/beau belle beaux belles/bel - - -
    /nouveau nouvelle nouveaux nouvelles/nouvel - - -"""
AFTER = """noir noire noirs noires/blanc blanche blancs blanches/gris grise gris grises
    /rouge rouge rouges rouges/affamé affamée affamés affamées/rusé rusée rusés rusées
    /assoiffé assoiffée assoiffés assoiffées/fatigué fatiguée fatigués fatiguées
    /heureux heureuse heureux heureuses/triste triste tristes tristes/fier fière fiers fières
    /lourd lourde lourds lourdes/vide vide vides vides/frais fraîche frais fraîches"""
PARTICIPLES = """vu vue vus vues/trouvé trouvée trouvés trouvées
    /entendu entendue entendus entendues/aimé aimée aimés aimées
    /suivi suivie suivis suivies/attrapé attrapée attrapés attrapées
    /attendu attendue attendus attendues/cherché cherchée cherchés cherchées
    /porté portée portés portées/caché cachée cachés cachées/pris prise pris prises
    /perdu perdue perdus perdues/cassé cassée cassés cassées/mangé mangée mangés mangées
    /bu bue bus bues/acheté achetée achetés achetées/laissé laissée laissés laissées
    /donné donnée donnés données/venu venue venus venues/allé allée allés allées
    /revenu revenue revenus revenues/tombé tombée tombés tombées/resté restée restés restées
    /arrêté arrêtée arrêtés arrêtées/reposé reposée reposés reposées"""
UNCHANGING = "parlé dormi chanté couru volé été voulu".split()


def agreement(table):
    """form -> the set of ms, fs, mp, fp that it can be."""
    forms = {}
    for row in table.split("/"):
        for features, form in zip(("ms", "fs", "mp", "fp"), row.split()):
            forms.setdefault(form, set()).add(features)
    return forms


BEFORE, AFTER, PARTICIPLES = agreement(BEFORE), agreement(AFTER), agreement(PARTICIPLES)
AUXILIARIES = {"a": "s", "ont": "p", "est": "s", "sont": "p", "sera": "s", "seront": "p"}
NEGATIONS = {"pas", "jamais", "plus"}
ADVERBS = NEGATIONS | {"souvent", "toujours", "très", "été"}
BY_ETRE = set("venu allé revenu tombé resté arrêté reposé".split())

# Determiners: what they can stand before. `des` and `de` may also be prepositions.
DETERMINERS = {
    "le": {"ms"}, "la": {"fs"}, "l'": {"ms", "fs"}, "les": {"mp", "fp"}, "un": {"ms"},
    "une": {"fs"}, "du": {"ms"}, "au": {"ms"}, "aux": {"mp", "fp"}, "des": {"mp", "fp"},
    "ce": {"ms"},
    "cet": {"ms"}, "cette": {"fs"}, "ces": {"mp", "fp"}, "son": {"ms", "fs"}, "sa": {"fs"},
    "ses": {"mp", "fp"}, "leur": {"ms", "fs"}, "leurs": {"mp", "fp"}, "deux": {"mp", "fp"},
    "trois": {"mp", "fp"}, "de": {"mp", "fp"}, "d'": {"mp", "fp"},
}


PRONOUNS = {"il": "ms", "elle": "fs", "ils": "mp", "elles": "fp"}


def vowel(word):
    """Does a French word begin with a vowel sound? By a list of what does not, for h."""
    aspirated = ("hibou", "hiboux", "héron", "hérons", "hache", "haches")
    return word[0] in "aàâeéèêiîoôuùœ" or word[0] == "h" and word not in aspirated


def noun_after(words, i):
    """The noun phrase that begins at i with adjectives or a noun -> (place of the noun, features).

    Features are those that noun and adjectives, before and behind, have in common. (None, None) if
    there is no noun.
    """
    j = i
    while j < len(words) and words[j] in BEFORE:
        j += 1
    if j == len(words) or words[j] not in GENDER:
        return None, None
    features = {GENDER[words[j]] + number for number in NUMBERS[words[j]]}
    for adjective in words[i:j]:
        features &= BEFORE[adjective]
    k = j + 1
    while k < len(words) and (words[k] in AFTER or words[k] == "et" and words[k + 1] in AFTER
                              and k > j + 1):
        if words[k] != "et":
            features &= AFTER[words[k]]
        k += 1
    return j, features


def subject_at(words, i):
    """The one simple noun phrase or pronoun that begins at i -> (place after it, features)."""
    if words[i] in PRONOUNS:
        return i + 1, {PRONOUNS[words[i]]}
    if words[i] not in DETERMINERS:
        return None, None
    noun, features = noun_after(words, i + 1)
    if noun is None:
        return None, None
    end = noun + 1
    while words[end] in AFTER or words[end] == "et" and words[end + 1] in AFTER and end > noun + 1:
        end += 1
    return end, features & DETERMINERS[words[i]]


@pytest.fixture(scope="module")
def lines():
    text = (DATA / "en_fr.tsv").read_text(encoding="utf-8")
    assert text.endswith("\n") and "\r" not in text
    rows = [line.split("\t") for line in text[:-1].split("\n")]
    assert all(len(row) == 3 for row in rows)
    return [(en.split(" "), fr.split(" "), [tuple(map(int, link.split("-")))
                                            for link in links.split(" ")])
            for en, fr, links in rows]


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_en_fr", DATA / "make_en_fr.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_en_fr"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["make_en_fr"]


def fail_if(wrong):
    """Fail with the first few of the sentences that are wrong."""
    assert not wrong, f"{len(wrong)} wrong: " + " | ".join(" ".join(words) for words in wrong[:5])


# What the file is

def test_the_generator_writes_the_same_file_again(tmp_path):
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, DATA / "make_en_fr.py", tmp_path / "again.tsv"], check=True,
                   env=environment)
    assert (tmp_path / "again.tsv").read_bytes() == (DATA / "en_fr.tsv").read_bytes()


def test_sizes(lines):
    assert len(lines) >= 15_000
    assert (DATA / "en_fr.tsv").stat().st_size < 4_000_000
    lengths = Counter(len(en) for en, _, _ in lines)
    assert min(lengths) >= 3 and max(lengths) == 30
    assert all(lengths[n] >= 25 for n in range(4, 27))
    assert 9 <= sum(n * times for n, times in lengths.items()) / len(lines) <= 11.2
    assert sum(times for n, times in lengths.items() if n >= 16) >= 0.1 * len(lines)


def test_shuffled(lines):
    """Any tenth of the file is like the whole: in mean length, and in its share of questions."""
    tenth = len(lines) // 10
    for k in range(10):
        part = lines[k * tenth:(k + 1) * tenth]
        assert 10 < sum(len(en) for en, _, _ in part) / tenth < 12
        assert 0.06 < sum(en[-1] == "?" for en, _, _ in part) / tenth < 0.14


def test_each_english_sentence_once(lines):
    assert len({tuple(en) for en, _, _ in lines}) == len(lines)


def test_words_are_many_and_none_is_rare(lines):
    for side, least in ((0, 250), (1, 350)):
        forms = Counter(word for line in lines for word in line[side])
        assert len(forms) >= least
        assert min(forms.values()) >= 40, forms.most_common()[-5:]


def test_tokens(lines):
    """Lower case, one mark at the end, an elided word with its apostrophe as a word of its own."""
    english = re.compile(r"[a-z]+|[.,?]")
    french = re.compile(r"[a-zàâçèéêîôùûœ]+(-ce)?|(l|n|d|s|qu)'|[.,?]")
    for en, fr, _ in lines:
        assert all(map(english.fullmatch, en)) and all(map(french.fullmatch, fr)), (en, fr)
        assert en[-1] == fr[-1] and en[-1] in ".?"
        assert not {".", "?"} & set(en[:-1])


# Links

def test_links(lines):
    for en, fr, links in lines:
        assert links == sorted(set(links))
        assert {i for i, _ in links} == set(range(len(en))), en        # every word is linked
        assert {j for _, j in links} == set(range(len(fr))), fr
        assert (len(en) - 1, len(fr) - 1) in links


def test_links_join_what_a_dictionary_joins(lines):
    """A few words whose partner is known, wherever they stand."""
    known = {"crow": "corbeau", "crows": "corbeaux", "pitcher": "cruche", "not": "pas", "big": None,
             "never": "jamais", "longer": "plus", "and": "et", "because": "parce",
             "near": "près", "wolf": "loup", "very": "très",
             "often": "souvent", "yesterday": "hier", "whom": None, "who": "qui", ",": ","}
    alternatives = {"big": {"grand", "grande", "grands", "grandes"}, "whom": {"que", "qu'"}}
    for en, fr, links in lines:
        for i, word in enumerate(en):
            if word in known:
                wanted = alternatives.get(word) or {known[word]}
                assert wanted & {fr[j] for k, j in links if k == i}, (word, en, fr)


def test_nouns_are_linked_to_one_noun(lines):
    """A noun has exactly one partner that is a noun, and the same partner everywhere."""
    partner = {}
    for en, fr, links in lines:
        nouns = [(en[i], fr[j]) for i, j in links if fr[j] in GENDER]
        assert len(nouns) == sum(word in GENDER for word in fr)
        for english, french in nouns:
            assert partner.setdefault(english, french) == french
    assert len(partner) > 100


# Spelling

def test_elision(lines):
    full, short = {"le", "la", "de", "que", "ne", "se"}, {"l'", "d'", "qu'", "n'", "s'"}
    fail_if([fr for _, fr, _ in lines for word, follower in zip(fr, fr[1:])
             if word in full and vowel(follower) or word in short and not vowel(follower)])


def test_contraction(lines):
    fail_if([fr for _, fr, _ in lines for pair in zip(fr, fr[1:])
             if pair in {("de", "le"), ("de", "les"), ("à", "le"), ("à", "les"), ("de", "des"),
                         ("de", "du"), ("de", "de"), ("de", "d'")}])


def test_words_before_a_vowel(lines):
    """cet homme, son oie, un vieil ours; and ce loup, sa chèvre, un vieux chat."""
    wrong = []
    for _, fr, _ in lines:
        for word, follower in zip(fr, fr[1:]):
            masculine = GENDER.get(follower) == "m" and "s" in NUMBERS[follower]
            if word in ("cet", "vieil", "bel", "nouvel") and not (vowel(follower) and masculine):
                wrong.append(fr)
            if word in ("ce", "sa") and vowel(follower):
                wrong.append(fr)
            if word in ("beau", "nouveau") and vowel(follower) and masculine:
                wrong.append(fr)
        for i, word in enumerate(fr[:-1]):          # `vieux ours` is a plural
            if word == "vieux" and vowel(fr[i + 1]) and fr[i - 1] in ("le", "un", "ce", "son"):
                wrong.append(fr)
            if word == "son" and not vowel(fr[i + 1]) and noun_after(fr, i + 1)[1] != {"ms"}:
                wrong.append(fr)
    fail_if(wrong)


def test_indefinite_plural(lines):
    """`des loups gris`, but `de grands loups`; `des grands loups` only where it is `de les`."""
    wrong = []
    for en, fr, links in lines:
        for i, j in links:
            if en[i] == "some" and fr[j] in ("des", "de"):
                plural = fr[j + 1] in BEFORE
                if (fr[j] == "des") == plural and fr[j + 1] not in ("la", "l'"):
                    wrong.append(fr)
    fail_if(wrong)


def test_english_article_and_verbs(lines):
    wrong = []
    for en, _, _ in lines:
        for word, follower in zip(en, en[1:]):
            if word in ("a", "an") and (word == "an") != (follower[0] in "aeiou"):
                wrong.append(en)
            if word in ("he", "she", "it") and follower in ("do", "are", "were", "want", "see"):
                wrong.append(en)
            if word == "they" and follower in ("does", "is", "was", "wants", "sees", "has"):
                wrong.append(en)
            if word == "whom" or word == "who":
                before = en[max(0, en.index(word) - 1)]
                if en.count(word) == 1 and en[0] != word and before not in PERSONS:
                    wrong.append(en)
    fail_if(wrong)


# Agreement

def test_determiners_and_adjectives_agree_with_their_noun(lines):
    wrong, seen = [], 0
    for _, fr, _ in lines:
        for i, word in enumerate(fr):
            if word not in DETERMINERS:
                continue
            noun, features = noun_after(fr, i + 1)
            if noun is None:
                continue                # a pronoun before its verb, or de before another word
            seen += 1
            fits = DETERMINERS[word]
            if word in ("de", "d'"):    # de grands arbres; près de may stand before no bare noun
                fits = {"mp", "fp"}
            if not features & fits:
                wrong.append(fr)
    fail_if(wrong)
    assert seen > 2 * len(lines)


def test_every_noun_has_a_determiner(lines):
    wrong = []
    for _, fr, _ in lines:
        for i, word in enumerate(fr):
            if word in GENDER:
                j = i - 1
                while fr[j] in BEFORE:
                    j -= 1
                if fr[j] not in DETERMINERS:
                    wrong.append(fr)
    fail_if(wrong)


def test_negation_stands_around_the_finite_verb(lines):
    """ne (pronoun) verb pas, jamais or plus: at most one pronoun between, and neither alone."""
    wrong = []
    for _, fr, _ in lines:
        first = [i for i, word in enumerate(fr) if word in ("ne", "n'")]
        second = [i for i, word in enumerate(fr) if word in NEGATIONS]
        if len(first) != len(second) or any(not 2 <= b - a <= 3 for a, b in zip(first, second)):
            wrong.append(fr)
        for a, b in zip(first, second):
            if b - a == 3 and fr[a + 1] not in ("le", "la", "l'", "les", "lui", "leur", "se", "s'"):
                wrong.append(fr)
    fail_if(wrong)


def plural_verb(word):
    """Is a French finite verb a plural? All plurals end in -nt, and so do venir and revenir."""
    return word.endswith("nt") and word not in ("vient", "revient")


SMALL_WORDS = set("""à de d' du des au aux dans sur sous derrière devant près avec par et mais
    parce que qu' quand . , ?""".split())
CLITICS = {"ne", "n'", "se", "s'", "le", "la", "l'", "les", "lui", "leur"}


def test_verbs_and_what_follows_etre_agree_with_the_subject(lines):
    """Wherever a simple noun phrase or a pronoun stands right before its verb, or `qui` between."""
    wrong, seen = [], Counter()
    openings = {"que", "qu'", "quand", "mais", ",", "et"}
    for _, fr, _ in lines:
        for i in range(len(fr) - 2):
            starts = i == 0 or fr[i - 1] in openings and "et" not in fr[max(0, i - 12):i]
            end, features = subject_at(fr, i)
            if end is None or fr[i] in ("de", "d'", "des", "du", "au", "aux"):
                continue
            if fr[end] == "qui":
                end += 1
            elif not (starts or fr[i] in PRONOUNS):
                continue
            while fr[end] in CLITICS:
                end += 1
            verb = fr[end]
            if verb in GENDER or verb in SMALL_WORDS or verb in DETERMINERS:
                continue
            seen["verb"] += 1
            number = "p" if plural_verb(verb) else "s"
            features = {f for f in features if f[1] == number}
            if not features:
                wrong.append(fr)
                continue
            if verb in ("est", "sont", "sera", "seront") or fr[end + 1:end + 2] == ["été"] or \
                    fr[end + 1] in NEGATIONS and fr[end + 2] == "été":
                k = end + 1
                while fr[k] in ADVERBS:
                    k += 1
                forms = AFTER.get(fr[k]) or PARTICIPLES.get(fr[k]) or BEFORE.get(fr[k])
                if forms:
                    seen["complement"] += 1
                    if not forms & features:
                        wrong.append(fr)
    fail_if(wrong)
    assert seen["verb"] > 8_000 and seen["complement"] > 2_000, seen


def test_pairs_are_masculine_unless_both_are_feminine(lines):
    """l' oie et le renard sont venus, but l' oie et la fourmi sont venues: the first words only."""
    wrong, seen = [], Counter()
    for _, fr, _ in lines:
        first, one = subject_at(fr, 0)
        if first is None or fr[first] != "et":
            continue
        end, other = subject_at(fr, first + 1)
        if end is None:
            continue
        both = {f[0] for f in one} | {f[0] for f in other}
        while fr[end] in CLITICS:
            end += 1
        if fr[end] not in ("sont", "seront", "ont"):
            continue
        k = end + 1
        while fr[k] in ADVERBS:
            k += 1
        forms = AFTER.get(fr[k]) or PARTICIPLES.get(fr[k]) or BEFORE.get(fr[k])
        if forms and (fr[end] != "ont" or "été" in fr[end:k]):
            seen[len(both)] += 1
            if ("fp" if both == {"f"} else "mp") not in forms:
                wrong.append(fr)
    fail_if(wrong)
    assert seen[1] > 30 and seen[2] > 30, seen


def test_what_is_not_counted(lines):
    """Neither `a bread` nor `waters`; some of it is du, de la or de l'."""
    mass = {"bread", "cheese", "meat", "honey", "water", "milk", "wine"}
    wrong = []
    for en, fr, links in lines:
        for i, j in links:
            if en[i] in mass:
                k = next(k for k in reversed(range(i)) if en[k] in (
                    "the", "this", "some", "his", "her", "its", "their", "a", "an", "these", "two",
                    "three", "many"))
                partner = {fr[n] for m, n in links if m == k}
                if k < i - 4 or en[k] in ("a", "an", "these", "two", "three", "many"):
                    wrong.append(en)
                if en[k] == "some" and partner not in ({"du"}, {"de", "la"}, {"de", "l'"}):
                    wrong.append(fr)
    fail_if(wrong)


def participle_from(words, k):
    """What completes the auxiliary at k: its participle's forms, or None."""
    k += 1
    while words[k] in ADVERBS - {"été"}:
        k += 1
    return words[k]


def test_participle_agrees_with_the_object_of_a_relative_clause(lines):
    """la cruche que le corbeau a vue: the noun before `que` decides."""
    wrong, seen = [], 0
    for _, fr, _ in lines:
        for i in range(len(fr) - 3):
            end, features = subject_at(fr, i)
            if end is None or fr[end] not in ("que", "qu'") or fr[i] in PRONOUNS:
                continue
            k = end + 1
            while k < len(fr) and (fr[k] in DETERMINERS or fr[k] in GENDER or fr[k] in BEFORE
                                   or fr[k] in AFTER or fr[k] in ("et", "ne", "n'", "beaucoup")):
                k += 1
            if fr[k] in ("a", "ont"):
                participle = participle_from(fr, k)
                if participle != "voulu":
                    seen += 1
                    if not PARTICIPLES[participle] & features:
                        wrong.append(fr)
    fail_if(wrong)
    assert seen > 500


def test_participle_agrees_with_the_pronoun_before_it(lines):
    """English tells the gender that `l'` hides: him is masculine, her feminine."""
    wrong, seen = [], Counter()
    for en, fr, links in lines:
        for i, j in links:
            if en[i] not in ("him", "her", "it", "them") or fr[j] not in ("l'", "les"):
                continue
            if fr[j + 1] not in ("a", "ont"):
                continue
            participle = participle_from(fr, j + 1)
            if participle == "voulu":
                continue
            fits = {"him": {"ms"}, "her": {"fs"}, "it": {"ms", "fs"}, "them": {"mp", "fp"}}[en[i]]
            seen[en[i]] += 1
            if not PARTICIPLES[participle] & fits:
                wrong.append(fr)
    fail_if(wrong)
    assert min(seen.values()) > 30 and len(seen) == 4, seen


def test_participle_after_avoir_is_unchanged_without_such_an_object(lines):
    """le corbeau a vu la cruche; il lui a parlé; il a voulu la voir."""
    wrong, seen = [], 0
    for _, fr, _ in lines:
        for k, word in enumerate(fr):
            if word not in ("a", "ont") or fr[k - 1] in ("l'", "les"):
                continue
            participle = participle_from(fr, k)
            if "que" in fr[:k] or "qu'" in fr[:k]:
                continue                            # perhaps a relative clause: see above
            seen += 1
            if participle not in UNCHANGING and "ms" not in PARTICIPLES[participle]:
                wrong.append(fr)
    fail_if(wrong)
    assert seen > 3_000


def test_auxiliaries(lines):
    """Verbs of motion and reflexive verbs take être in the past, all the others avoir."""
    wrong = []
    for en, fr, links in lines:
        for k, word in enumerate(fr):
            base = next((b for b in BY_ETRE if word in (b, b + "e", b + "s", b + "es")), None)
            j = k - 1
            while fr[j] in ADVERBS:
                j -= 1
            if base and fr[j] not in ("est", "sont"):
                wrong.append(fr)
            if base in ("arrêté", "reposé") and not {"se", "s'"} & set(fr[j - 2:j]):
                wrong.append(fr)
            if word in UNCHANGING and fr[j] not in ("a", "ont"):
                wrong.append(fr)
    fail_if(wrong)


# What English decides

def test_tenses(lines):
    """Simple past is passé composé: a past form is linked to an auxiliary and a participle."""
    pasts = set("""saw found heard loved followed caught waited looked carried hid took lost broke
        ate drank bought left gave spoke slept sang ran flew came went returned fell stayed stopped
        rested wanted did""".split())
    also_participles = set("found heard loved followed caught carried lost bought left".split())
    for en, fr, links in lines:
        for i, word in enumerate(en):
            partners = {fr[j] for k, j in links if k == i}
            if word == "did" or word in pasts - also_participles:
                assert partners & {"a", "ont", "est", "sont"}, (word, en, fr)
            if word == "will":
                assert any(re.search("(r|er)(a|ont)$", p) for p in partners), (en, fr)
        assert ("yesterday" in en) == ("hier" in fr)
        assert ("tomorrow" in en) <= ("will" in en)
        assert "you" not in en and "i" not in en


def test_he_and_she_have_their_noun_in_the_sentence(lines):
    """il and elle for he and she; and some noun of that gender comes before."""
    wrong = []
    for en, fr, links in lines:
        for i, j in links:
            if en[i] in ("he", "she", "it", "they") and fr[j] in PRONOUNS:
                wanted = {"he": {"il"}, "she": {"elle"}, "it": {"il", "elle"},
                          "they": {"ils", "elles"}}
                gender = "f" if fr[j].startswith("elle") else "m"
                before = {GENDER[word] for word in fr[:j] if word in GENDER}
                if fr[j] not in wanted[en[i]] or gender not in before:
                    wrong.append(en)
    fail_if(wrong)


def test_what_moves_is_common(lines):
    french = [" ".join(fr) for _, fr, _ in lines]
    moving = {
        "adjective after its noun": r"\b(noire?|grise?|rouge|affamée?|rusée?|triste)s?\b",
        "ne ... pas": r"\bpas\b",
        "ne ... jamais": r"\bjamais\b",
        "ne ... plus": r"\bplus\b",
        "pronoun before the verb": r"\b(l'|les|le|la) (a|ont)\b|\b(lui|leur) \w+é\b|\bne l[ae'] ",
        "contraction": r"\b(du|au|des|aux)\b",
        "participle after être": r"\b(est|sont|été) \w+(é|u|is|t)e?s?\b",
        "reflexive": r"\b(se|s')",
    }
    for name, pattern in moving.items():
        assert sum(bool(re.search(pattern, line)) for line in french) > 0.02 * len(lines), name


# Known sentences, said by the generator's own functions

def test_known_sentences(maker):
    noun, clause = maker.noun_phrase, maker.clause

    def said(*pairs, stop="."):
        return maker.columns(*maker.finish(maker.join(*pairs), stop))

    crow, goose = noun("crow"), noun("goose", adjectives=["small"])
    pitcher = noun("pitcher", adjectives=["big"])
    ravens = noun("crow", "two", plural=True)
    assert said(clause(crow, "see", "past", negation="not", obj=pitcher)) == (
        "the crow did not see the big pitcher .",
        "le corbeau n' a pas vu la grande cruche .",
        "0-0 1-1 2-3 3-2 3-4 4-5 5-6 6-7 7-8 8-9")
    assert said(clause(crow, "see", "past", obj=pitcher), maker.small("but"),
                clause(maker.subject_pronoun(crow), "take", "past", negation="not",
                       pronoun=pitcher)) == (
        "the crow saw the big pitcher but he did not take it .",
        "le corbeau a vu la grande cruche mais il ne l' a pas prise .",
        "0-0 1-1 2-2 2-3 3-4 4-5 5-6 6-7 7-8 8-11 9-9 9-12 10-13 11-10 12-14")
    assert said(clause(maker.subject_pronoun(crow), "see", pronoun=noun("cheese"))) == (
        "he sees it .", "il le voit .", "0-0 1-2 2-1 3-3")
    assert said(clause(maker.subject_pronoun(crow), "see", pronoun=noun("cheese"),
                       negation="not")) == (
        "he does not see it .", "il ne le voit pas .", "0-0 1-3 2-1 2-4 3-3 4-2 5-5")
    assert said(clause(noun("goose", plural=True), "stop", "past", rest=[
            maker.prepositional("near", noun("well", adjectives=["old"]))])) == (
        "the geese stopped near the old well .",
        "les oies se sont arrêtées près du vieux puits .",
        "0-0 1-1 2-2 2-3 2-4 3-5 3-6 4-6 5-7 6-8 7-9")
    assert said(clause(noun("man", "a", ["old", "tired"]), "speak", "future", asked=True,
                       rest=[maker.prepositional("to", noun("king", plural=True))]), stop="?") == (
        "will an old tired man speak to the kings ?",
        "est-ce qu' un vieil homme fatigué parlera aux rois ?",
        "0-0 0-1 0-6 1-2 2-3 3-5 4-4 5-6 6-7 7-7 8-8 9-9")
    assert said(clause(crow, "carry", modal="can", negation="not", pronoun=pitcher)) == (
        "the crow cannot carry it .", "le corbeau ne peut pas la porter .",
        "0-0 1-1 2-2 2-3 2-4 3-6 4-5 5-7")
    assert said(clause(crow, "carry", "past", negation="never", pronoun=pitcher)) == (
        "the crow never carried it .", "le corbeau ne l' a jamais portée .",
        "0-0 1-1 2-2 2-5 3-4 3-6 4-3 5-7")
    assert said(clause(crow, "carry", modal="can", negation="no longer", pronoun=pitcher)) == (
        "the crow can no longer carry it .", "le corbeau ne peut plus la porter .",
        "0-0 1-1 2-3 3-2 3-4 4-2 4-4 5-6 6-5 7-7")
    assert said(clause(crow, "see", "future", negation="never", obj=pitcher)) == (
        "the crow will never see the big pitcher .",
        "le corbeau ne verra jamais la grande cruche .",
        "0-0 1-1 2-3 3-2 3-4 4-3 5-5 6-6 7-7 8-8")
    assert said(clause(noun("woman"), "wait", "past", pronoun=ravens)) == (
        "the woman waited for them .", "la femme les a attendus .", "0-0 1-1 2-3 2-4 3-4 4-2 5-5")
    assert said(clause(noun("farmer"), "love", "present", adverb="always", obj=noun(
            "goose", adjectives=["small", "grey"], owner=noun("farmer")))) == (
        "the farmer always loves his small grey goose .",
        "le fermier aime toujours sa petite oie grise .",
        "0-0 1-1 2-3 3-2 4-4 5-5 6-7 7-6 8-8")
    assert said(clause(noun("bear"), "eat", "past", obj=noun("goose", owner=noun("bear")))) == (
        "the bear ate his goose .", "l' ours a mangé son oie .", "0-0 1-1 2-2 2-3 3-4 4-5 5-6")
    assert said(clause(noun("bread"), "eat", "past", passive=True, rest=[
            maker.prepositional("by", noun("bird", "some", ["beautiful"], plural=True))])) == (
        "the bread was eaten by some beautiful birds .",
        "le pain a été mangé par de beaux oiseaux .", "0-0 1-1 2-2 2-3 3-4 4-5 5-6 6-7 7-8 8-9")
    relative = maker.join(maker.whom(pitcher), clause(goose, "break", "past", gap=pitcher))
    assert said(clause(maker.extend(pitcher, relative), "be",
                       rest=[maker.predicate(pitcher, "empty")])) == (
        "the big pitcher that the small goose broke is empty .",
        "la grande cruche que la petite oie a cassée est vide .",
        "0-0 1-1 2-2 3-3 4-4 5-5 6-6 7-7 7-8 8-9 9-10 10-11")


def test_two_owners_and_a_mixed_pair(maker):
    """A pair is masculine unless both are feminine; their is leur before one, leurs before many."""
    pair = maker.both(maker.noun_phrase("goose"), maker.noun_phrase("fox"))
    tree = maker.noun_phrase("tree", owner=pair, adjectives=["beautiful"])
    pair = maker.both(maker.noun_phrase("goose"), maker.noun_phrase("fox"))
    assert maker.columns(*maker.finish(maker.clause(
        pair, "come", "past", rest=[maker.prepositional("to", tree)])))[:2] == (
        "the goose and the fox came to their beautiful tree .",
        "l' oie et le renard sont venus à leur bel arbre .")
    both = maker.both(maker.noun_phrase("goose"), maker.noun_phrase("ant"))
    assert maker.columns(*maker.finish(maker.clause(both, "rest", "past")))[1] == (
        "l' oie et la fourmi se sont reposées .")


# The story that is learned by heart

def test_crow():
    text = (DATA / "crow.txt").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert text.endswith("\n") and text.isascii()
    assert 30 <= len(lines) <= 40 and len(set(lines)) == len(lines)
    for line in lines:
        assert 4 <= len(line.split()) <= 12 and line[0].isupper() and line.endswith("."), line
