"""Write en_fr.tsv: sentences from the world of Aesop in English and French, with their word links.

    python data/make_en_fr.py                writes en_fr.tsv beside this file
    python data/make_en_fr.py other.tsv      writes it elsewhere

One tree, two languages. A synchronous grammar draws a small tree ("the crow, not, past, see, the
pitcher that is big") and says it twice, each time in the order and with the agreement of the
language:

    the crow did not see the big pitcher .
    le corbeau n' a pas vu la grande cruche .

The two sentences come from the same leaves, so we know for certain which word translates which. A
model that learns to translate can be asked where it looked, and the answer has a truth to be
compared with. Each line of the file is `english TAB french TAB links`, and a link `4-5` says that
English word 4 and French word 5, counted from 0, belong together.

Contents
    1. Lexicon        tables of nouns, adjectives, verbs and small words: the whole vocabulary
    2. Words          leaves with marks; elision and contraction; links
    3. Phrases        nouns with their determiners and adjectives, pronouns, pairs
    4. Clauses        tense, negation, pronouns before the verb, agreement of the participle
    5. Chance         a storyteller who draws trees
    6. File           choose, shuffle, write

What the English decides (so that each English sentence has exactly one French one)
    past             simple past is always passé composé; present is present, `will` is future
    he, she          persons and animals are he or she by the gender of their French noun
    subject pronoun  stands for the subject of the clause before (relative clauses do not count)
    object pronoun   stands for the direct object of the clause before, for its subject if there is
                     no object
    his, her, its    belong to the subject of their own clause, in a pair (`the house and its
                     garden`) to the first of the two
    who, whom, that  persons take `who`, as object of the relative clause `whom`; all else takes
                     `that`. A relative clause belongs to the noun just before it

What the links say
    Every word is linked. Where the languages use different numbers of words, all take part:
    saw             a, vu           the one verb is auxiliary and participle
    did, does, will                 the helper is linked to the French word that carries its tense,
                                    the finite verb (did - a, does - voit, will - verra); in a
                                    question to `est-ce que` as well
    not             ne, pas         and `cannot` to `ne`, `peut` and `pas`; in the same way `never`
                                    to `ne` and `jamais`, `no longer` to `ne` and `plus`
    wait for        attend          a particle goes with its verb, `to` with its infinitive
    near the well   près du puits   `du` is `de` and `le`: linked to `near` and to `the`
    stops           s' arrête       the reflexive pronoun goes with its verb
    many, some, because, in front of    with all the words that translate them
"""
import random
import sys
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from pathlib import Path

SEED = 620                      # the year B.C. in which Aesop is said to have been born
SENTENCES = 22_000
SHORTEST, LONGEST = 3, 30       # English tokens, the full stop included


# %% 1. Lexicon
# Each English noun, adjective and verb has one French word, always. The last column of a table says
# what a word may do, so that wolves eat lambs, and nobody drinks a hat.
#
# Nouns: singular plural | singular plural gender | what it is. A dash is a form that is not used.
#   bird flies, hunter eats prey, tame is a farmer's animal;
#   thing can be anybody's, tool a person's only, built is made by masons;
#   own, kin, tame can take a possessive: kin only a person's, and `one` of them to one owner;
#   brittle can be broken, loud heard, weighty heavy, hollow empty, fresh fresh, piece big or small,
#   ripe red or beautiful; -old is never called old.
#   Places list what one can be or do there: in, on, near, behind, under, front, to (go there),
#   wet (fall into), high (fall from).
NOUNS = """
crow crows           | corbeau corbeaux m         | animal bird prey
fox foxes            | renard renards m           | animal hunter
wolf wolves          | loup loups m               | animal hunter
dog dogs             | chien chiens m             | animal hunter tame
cat cats             | chat chats m               | animal hunter tame
horse horses         | cheval chevaux m           | animal tame
donkey donkeys       | âne ânes m                 | animal tame
lion lions           | lion lions m               | animal hunter
bear bears           | ours ours m                | animal hunter
bird birds           | oiseau oiseaux m           | animal bird prey
owl owls             | hibou hiboux m             | animal bird hunter
heron herons         | héron hérons m             | animal bird hunter
lamb lambs           | agneau agneaux m           | animal prey tame -old
swallow swallows     | hirondelle hirondelles f   | animal bird prey
goose geese          | oie oies f                 | animal bird prey tame
bee bees             | abeille abeilles f         | animal bird
ant ants             | fourmi fourmis f           | animal
mouse mice           | souris souris f            | animal prey
goat goats           | chèvre chèvres f           | animal prey tame
frog frogs           | grenouille grenouilles f   | animal prey

man men              | homme hommes m             | person -big
farmer farmers       | fermier fermiers m         | person
shepherd shepherds   | berger bergers m           | person
king kings           | roi rois m                 | person -big
miller millers       | meunier meuniers m         | person
child children       | enfant enfants m           | person kin -old
woman women          | femme femmes f             | person
queen queens         | reine reines f             | person -big
girl girls           | fille filles f             | person -old
mother mothers       | mère mères f               | person kin one -big -small -beautiful

pitcher pitchers     | cruche cruches f           | thing own brittle weighty hollow
pebble pebbles       | caillou cailloux m         | thing own -new
basket baskets       | panier paniers m           | thing own weighty hollow
key keys             | clé clés f                 | thing own
rope ropes           | corde cordes f             | thing own weighty
bell bells           | cloche cloches f           | thing own weighty loud
feather feathers     | plume plumes f             | thing own -new
ring rings           | anneau anneaux m           | thing own
crown crowns         | couronne couronnes f       | thing own weighty
stick sticks         | bâton bâtons m             | thing own brittle weighty
ladder ladders       | échelle échelles f         | tool own brittle weighty
axe axes             | hache haches f             | tool own weighty
hat hats             | chapeau chapeaux m         | tool own
coat coats           | manteau manteaux m         | tool own weighty
lamp lamps           | lampe lampes f             | tool own brittle

apple apples         | pomme pommes f             | food piece own fresh ripe
pear pears           | poire poires f             | food piece own fresh ripe
egg eggs             | œuf œufs m                 | food piece own fresh brittle
cake cakes           | gâteau gâteaux m           | food piece own
nut nuts             | noix noix f                | food piece own
bread -              | pain - m                   | food own fresh
cheese -             | fromage - m                | food own fresh
meat -               | viande - f                 | food own fresh
honey -              | miel - m                   | food own
water -              | eau - f                    | drink own fresh
milk -               | lait - m                   | drink own fresh
wine -               | vin - m                    | wine own

garden gardens       | jardin jardins m           | place own in near behind to
field fields         | champ champs m             | place own in near
forest forests       | forêt forêts f             | place in near
river -              | rivière - f                | place near to wet
well -               | puits - m                  | place near behind to wet hollow
house houses         | maison maisons f           | place own in near behind front to built hollow
village -            | village - m                | place in near to
tree trees           | arbre arbres m             | place near behind under high
road roads           | route routes f             | place on near
bridge bridges       | pont ponts m               | place on near under high built
wall walls           | mur murs m                 | place on near behind front high built
hill hills           | colline collines f         | place on near behind
mill -               | moulin - m                 | place own in near behind front to built
castle -             | château - m                | place own in near behind front to built
barn barns           | grange granges f           | place own in near behind front to built hollow
inn inns             | auberge auberges f          | place in near behind front to built hollow
"""

# Adjectives: English | masculine, feminine, masculine plural, feminine plural, and the masculine
# before a vowel | before or after the French noun | of what it can be said. A `mood` can change, so
# it goes with the future; what is `fixed` stands beside its noun only, never after `is`; what is
# `absolute` is not very so.
ADJECTIVES = """
big       | grand grande grands grandes grand               | before | alive object piece place
small     | petit petite petits petites petit               | before | alive object piece place
old       | vieux vieille vieux vieilles vieil              | before | alive object place
young     | jeune jeune jeunes jeunes jeune                 | before | alive
good      | bon bonne bons bonnes bon                       | before | food drink wine tame fixed
beautiful | beau belle beaux belles bel                     | before | alive object place ripe mood
new       | nouveau nouvelle nouveaux nouvelles nouvel      | before | object built tame fixed
black     | noir noire noirs noires noir                    | after  | animal object absolute
white     | blanc blanche blancs blanches blanc             | after  | animal object built absolute
grey      | gris grise gris grises gris                     | after  | animal object built absolute
red       | rouge rouge rouges rouges rouge                 | after  | object ripe absolute
hungry    | affamé affamée affamés affamées affamé          | after  | alive mood
thirsty   | assoiffé assoiffée assoiffés assoiffées assoiffé | after | alive mood
tired     | fatigué fatiguée fatigués fatiguées fatigué     | after  | alive mood
sly       | rusé rusée rusés rusées rusé                    | after  | alive
happy     | heureux heureuse heureux heureuses heureux      | after  | alive mood
sad       | triste triste tristes tristes triste            | after  | alive mood
proud     | fier fière fiers fières fier                    | after  | alive mood
heavy     | lourd lourde lourds lourdes lourd               | after  | weighty mood
empty     | vide vide vides vides vide                      | after  | hollow mood absolute
fresh     | frais fraîche frais fraîches frais              | after  | fresh mood absolute
"""

# Verbs: base, third person, past, participle, particle | present singular and plural, future
# singular and plural, participle, infinitive, auxiliary (se: reflexive, and so with être).
VERBS = """
see sees saw seen -                | voit voient verra verront vu voir avoir
find finds found found -           | trouve trouvent trouvera trouveront trouvé trouver avoir
hear hears heard heard -           | entend entendent entendra entendront entendu entendre avoir
love loves loved loved -           | aime aiment aimera aimeront aimé aimer avoir
follow follows followed followed - | suit suivent suivra suivront suivi suivre avoir
catch catches caught caught -      | attrape attrapent attrapera attraperont attrapé attraper avoir
wait waits waited - for            | attend attendent attendra attendront attendu attendre avoir
look looks looked - for            | cherche cherchent cherchera chercheront cherché chercher avoir
carry carries carried carried -    | porte portent portera porteront porté porter avoir
hide hides hid hidden -            | cache cachent cachera cacheront caché cacher avoir
take takes took taken -            | prend prennent prendra prendront pris prendre avoir
lose loses lost lost -             | perd perdent perdra perdront perdu perdre avoir
break breaks broke broken -        | casse cassent cassera casseront cassé casser avoir
eat eats ate eaten -               | mange mangent mangera mangeront mangé manger avoir
drink drinks drank drunk -         | boit boivent boira boiront bu boire avoir
buy buys bought bought -           | achète achètent achètera achèteront acheté acheter avoir
leave leaves left left -           | laisse laissent laissera laisseront laissé laisser avoir
give gives gave given -            | donne donnent donnera donneront donné donner avoir
speak speaks spoke - -             | parle parlent parlera parleront parlé parler avoir
sleep sleeps slept - -             | dort dorment dormira dormiront dormi dormir avoir
sing sings sang - -                | chante chantent chantera chanteront chanté chanter avoir
run runs ran - -                   | court courent courra courront couru courir avoir
fly flies flew - -                 | vole volent volera voleront volé voler avoir
come comes came - -                | vient viennent viendra viendront venu venir être
go goes went - -                   | va vont ira iront allé aller être
return returns returned - -        | revient reviennent reviendra reviendront revenu revenir être
fall falls fell - -                | tombe tombent tombera tomberont tombé tomber être
stay stays stayed - -              | reste restent restera resteront resté rester être
stop stops stopped - -             | arrête arrêtent arrêtera arrêteront arrêté arrêter se
rest rests rested - -              | repose reposent reposera reposeront reposé reposer se
be is was been -                   | est sont sera seront été être avoir
want wants wanted - -              | veut veulent - - voulu vouloir avoir
can can - - -                      | peut peuvent - - - pouvoir avoir
must must - - -                    | doit doivent - - - devoir avoir
say says said - -                  | dit disent - - - dire avoir
know knows knew - -                | sait savent - - - savoir avoir
think thinks thought - -           | pense pensent - - - penser avoir
"""

# Frames: verb | who does it > to what | where. Of several frames any may be used.
#   at: a place where it happens may follow; to, into, fall: a direction; recipient: to someone;
#   !: one of these must follow. often: takes often and always; pace: takes slowly and quickly;
#   unwilled: nobody wants to, must or can.
FRAMES = """
see    | alive > alive object food drink wine place                | at often
find   | alive > alive thing food drink wine place ; person > tool | at
hear   | alive > alive loud                                        | at often
love   | alive > alive food place                                  | unwilled
follow | alive > alive                                             | often
catch  | hunter person > prey                                      | at
wait   | alive > alive                                             | at often
look   | alive > alive thing food drink wine place ; person > tool | at often
carry  | alive > thing food ; person > tool                        | often
hide   | alive > thing food ; person > tool                        | at often
take   | alive > thing food ; person > tool                        | -
lose   | alive > thing ; person > tool                             | at unwilled
break  | alive > brittle                                           | at
eat    | alive > food ; hunter > prey                              | at
drink  | alive > drink ; person > wine                             | at often
buy    | person > object food tame wine                            | -
leave  | alive > thing food ; person > tool                        | at
give   | alive > thing food drink ; person > tool wine             | recipient !
speak  | alive                                                     | recipient at often
sleep  | alive                                                     | at often
sing   | alive                                                     | at often
run    | alive                                                     | at often pace
fly    | bird                                                      | at often pace
come   | alive                                                     | to into from often pace
go     | alive                                                     | to into ! often pace
return | alive                                                     | to ! often pace
fall   | alive                                                     | fall unwilled
stay   | alive                                                     | at often
stop   | alive                                                     | at often
rest   | alive                                                     | at often
"""

# Small words that never change.
SMALL = {
    "in": "dans", "into": "dans", "on": "sur", "under": "sous", "behind": "derrière",
    "in front of": "devant", "near": "près de", "to": "à", "from": "de", "of": "de", "by": "par",
    "with": "avec", "and": "et", "but": "mais", "because": "parce que", "when": "quand",
    "that": "que", "who": "qui", "where": "où", "why": "pourquoi", "very": "très",
    "often": "souvent", "always": "toujours", "slowly": "lentement", "quickly": "vite",
    "yesterday": "hier", "now": "maintenant", "tomorrow": "demain", ",": ",", ".": ".", "?": "?",
}


@dataclass(frozen=True)
class Noun:
    name: str           # the English singular; names are keys everywhere
    en: tuple           # singular, plural
    fr: tuple
    gender: str         # "m" or "f"
    tags: frozenset

    @property
    def mass(self):
        """Water and bread: not counted, `some` in the singular. Wells just have no plural here."""
        return self.en[1] == "-" and "place" not in self.tags


@dataclass(frozen=True)
class Adjective:
    name: str
    fr: tuple           # m, f, m plural, f plural, m before a vowel
    before: bool
    tags: frozenset


@dataclass(frozen=True)
class Verb:
    name: str
    en: tuple           # base, third person, past, participle
    particle: str       # "for" in "wait for", or ""
    present: tuple      # French singular, plural
    future: tuple
    participle: str
    infinitive: str
    auxiliary: str      # avoir, être, or se: reflexive, and so with être
    frames: tuple       # (tags of the subject, tags of the object) each
    where: frozenset


def rows(table):
    """The rows of a table, each a list of cells, each a list of words."""
    return [[cell.split() for cell in line.split("|")]
            for line in table.splitlines() if line.strip()]


def alternatives(words):
    """`alive > food ; hunter > prey`, in words -> ((tags, tags), (tags, tags))."""
    sides = [[frozenset(side.split()) for side in frame.split(">")]
             for frame in " ".join(words).split(";")]
    return tuple((side[0], side[1] if len(side) > 1 else None) for side in sides)


WIDER = {"person": "alive", "animal": "alive", "thing": "object", "tool": "object"}

NOUN = {en[0]: Noun(en[0], tuple(en), tuple(fr[:2]), fr[2],
                    frozenset(tags + [WIDER[tag] for tag in tags if tag in WIDER]))
        for en, fr, tags in rows(NOUNS)}
ADJECTIVE = {en[0]: Adjective(en[0], tuple(fr), place == ["before"], frozenset(tags))
             for en, fr, place, tags in rows(ADJECTIVES)}
FRAME = {name[0]: (alternatives(frames), frozenset(where)) for name, frames, where in rows(FRAMES)}
VERB = {en[0]: Verb(en[0], tuple(en[:4]), en[4].strip("-"), tuple(fr[:2]), tuple(fr[2:4]), *fr[4:],
                    *FRAME.get(en[0], ((), frozenset())))
        for en, fr in rows(VERBS)}


# %% 2. Words
# A sentence under construction is two lists of words, and every word carries marks. A leaf of the
# tree gives its English and its French words the same fresh mark, and however far they travel, a
# word of one language is linked to a word of the other if they have a mark in common. A word may
# carry several: `du` is `de` and `le`, and answers for both.

MARKS = count()


def words(text, *marks):
    """`est-ce que` and its marks -> [("est-ce", marks), ("que", marks)]."""
    return [(word, marks) for word in text.split()]


def leaf(en, fr):
    """Two texts that translate each other -> (English words, French words), linked."""
    mark = next(MARKS)
    return words(en, mark), words(fr, mark)


def small(en):
    """One of the small words that never change -> (English words, French words)."""
    return leaf(en, SMALL[en])


def join(*pairs):
    """Pairs (English, French) one after the other -> one pair."""
    return [word for en, fr in pairs for word in en], [word for en, fr in pairs for word in fr]


ASPIRATED = ("hibou", "héron", "hache")     # le hibou, la hache: as if they began with a consonant
BEFORE_VOWEL = {"le": "l'", "la": "l'", "de": "d'", "que": "qu'", "ne": "n'", "se": "s'",
                "ce": "cet", "sa": "son"}
CONTRACTED = {("de", "le"): "du", ("de", "les"): "des", ("à", "le"): "au", ("à", "les"): "aux"}


def vowel(word):
    """Does this French word begin with a vowel sound?"""
    return word[0] in "aeiouâéêèîôœ" or word[0] == "h" and not word.startswith(ASPIRATED)


def spell(french):
    """Elide, then contract: `de le arbre` -> `de l' arbre`, `de le puits` -> `du puits`.

    The grammar says `de le`, `que il`, `se est` and leaves the spelling to this one function.
    Elision comes first, since `l'` is not contracted. The pronoun `le` never follows `de` or `à`.
    """
    spelled = []
    for (word, marks), (follower, _) in zip(french, french[1:] + [(".", ())]):
        if word in BEFORE_VOWEL and vowel(follower):
            word = BEFORE_VOWEL[word]
        if spelled and (spelled[-1][0], word) in CONTRACTED:
            last, marks_of_last = spelled.pop()
            word, marks = CONTRACTED[last, word], marks_of_last + marks
        spelled.append((word, marks))
    return spelled


def article(english):
    """`a` becomes `an` before a vowel."""
    return [("an", marks) if word == "a" and follower[0] in "aeiou" else (word, marks)
            for (word, marks), (follower, _) in zip(english, english[1:] + [(".", ())])]


def finish(pair, stop="."):
    """(English words, French words) -> the same with the stop and spelled as they should be."""
    en, fr = join(pair, small(stop))
    return article(en), spell(fr)


def columns(en, fr):
    """A finished pair -> the three columns of its line: English, French, links."""
    places = {}                                 # mark -> where it stands in the French
    for j, (_, marks) in enumerate(fr):
        for mark in marks:
            places.setdefault(mark, []).append(j)
    links = sorted({(i, j) for i, (_, marks) in enumerate(en)
                    for mark in marks for j in places.get(mark, ())})
    return (" ".join(word for word, _ in en), " ".join(word for word, _ in fr),
            " ".join(f"{i}-{j}" for i, j in links))


# %% 3. Phrases
@dataclass(frozen=True)
class Phrase:
    """A noun with all that hangs on it, and what the rest of the sentence must know about it."""
    en: list
    fr: list
    gender: str
    plural: bool
    tags: frozenset
    names: tuple = ()       # nouns and adjectives: no second fox in a clause about the fox
    clause: bool = False    # has a relative clause
    owned: bool = False     # begins with a possessive

    @property
    def alive(self):
        return "alive" in self.tags

    @property
    def number(self):
        """0 or 1: the place of the form in (singular, plural)."""
        return int(self.plural)


def agree(adjective, phrase):
    """The French form of an adjective for a phrase."""
    return adjective.fr[2 * phrase.plural + (phrase.gender == "f")]


# Determiners: singular masculine, singular feminine, plural. The owner of a possessive decides
# between his, her, its and their in English, but only between son and leur in French.
DETERMINERS = {
    "the": ("le", "la", "les"), "a": ("un", "une", ""), "this": ("ce", "cette", "ces"),
    "some": ("de le", "de la", "des"), "many": ("", "", "beaucoup de"),
    "two": ("", "", "deux"), "three": ("", "", "trois"),
    "son": ("son", "sa", "ses"), "leur": ("leur", "leur", "leurs"),
}


def possessive(owner):
    """The phrase that owns -> his, her, its or their."""
    return "their" if owner.plural else choose_pronoun(owner, "his", "her", "its")


def choose_pronoun(phrase, male, female, neuter):
    """Persons and animals have the gender of their French noun, all the rest is neuter."""
    return neuter if not phrase.alive else female if phrase.gender == "f" else male


def noun_phrase(name, determiner="the", adjectives=(), plural=False, owner=None):
    """`pitcher`, `a`, (`big`, `black`) -> a big black pitcher, une grande cruche noire.

    Two adjectives of which both follow the French noun are joined: tired and hungry, fatigué et
    affamé. With an owner, the determiner is the possessive that refers to it.
    """
    noun = NOUN[name]
    feminine = noun.gender == "f"
    en, fr = leaf(noun.en[plural], noun.fr[plural])
    told = [ADJECTIVE[adjective] for adjective in adjectives]
    after = [adjective for adjective in told if not adjective.before]
    before = [adjective for adjective in told if adjective.before]
    for i, adjective in enumerate(reversed(after)):         # the last one first, next to the noun
        a_en, a_fr = leaf(adjective.name, adjective.fr[2 * plural + feminine])
        and_en, and_fr = small("and") if i else ([], [])
        en, fr = a_en + and_en + en, fr[:1] + a_fr + and_fr + fr[1:]
    for adjective in before:
        special = vowel(fr[0][0]) and not plural and not feminine           # un vieil homme
        a_en, a_fr = leaf(adjective.name, adjective.fr[4 if special else 2 * plural + feminine])
        en, fr = a_en + en, a_fr + fr
    if owner:
        key = "leur" if owner.plural else "son"
        d_en = possessive(owner)
    else:
        key = determiner
        d_en = "these" if determiner == "this" and plural else determiner
    d_fr = DETERMINERS[key][2 if plural else feminine]
    if key == "some" and plural and before:
        d_fr = "de"                                                         # de grands arbres
    mark = next(MARKS)
    return Phrase(words(d_en, mark) + en, words(d_fr, mark) + fr, noun.gender, plural, noun.tags,
                  (name, *adjectives), owned=owner is not None)


def extend(phrase, pair, clause=False):
    """A phrase and what follows it: `the house` + `of the king`."""
    return replace(phrase, en=phrase.en + pair[0], fr=phrase.fr + pair[1],
                   clause=phrase.clause or clause)


def prepositional(preposition, phrase):
    """`near` + `the well` -> près du puits."""
    return join(small(preposition), (phrase.en, phrase.fr))


def both(first, second):
    """Two phrases joined by `and`: a plural, and masculine unless both are feminine."""
    en, fr = join((first.en, first.fr), small("and"), (second.en, second.fr))
    gender = "f" if first.gender == second.gender == "f" else "m"
    return Phrase(en, fr, gender, True, first.tags & second.tags, first.names + second.names,
                  first.clause or second.clause)


def subject_pronoun(phrase):
    """he, she, it, they; il, elle, ils, elles."""
    fr = ("elle" if phrase.gender == "f" else "il") + "s" * phrase.plural
    en, fr = leaf("they" if phrase.plural else choose_pronoun(phrase, "he", "she", "it"), fr)
    return replace(phrase, en=en, fr=fr, clause=False)


def object_pronoun(phrase, indirect=False):
    """him, her, it, them -> (English, French) words; le, la, les, and indirect lui, leur."""
    en = "them" if phrase.plural else choose_pronoun(phrase, "him", "her", "it")
    if indirect:
        mark = next(MARKS)
        return words("to " + en, mark), words("leur" if phrase.plural else "lui", mark)
    return leaf(en, DETERMINERS["the"][2 if phrase.plural else phrase.gender == "f"])


def silent(phrase):
    """The subject that is not said again: the crow came and - slept."""
    return replace(phrase, en=[], fr=[], clause=False)


# %% 4. Clauses
NEGATIONS = {"": "", "not": "pas", "never": "jamais", "no longer": "plus"}
PARTICIPLE_ENDINGS = ("", "e", "s", "es")       # m, f, m plural, f plural
AUXILIARIES = {"avoir": ("a", "ont"), "être": ("est", "sont"), "se": ("est", "sont")}


def past_participle(verb, phrase):
    """The participle of a verb in gender and number of a phrase, or as it is for None."""
    if phrase is None:
        return verb.participle
    ending = PARTICIPLE_ENDINGS[2 * phrase.plural + (phrase.gender == "f")]
    if ending == "s" and verb.participle.endswith("s"):                 # pris stays pris
        ending = ""
    return verb.participle + ending


def english_form(verb, tense, plural):
    """sees, see, saw; be is the one verb whose plural is no base form and whose past has two."""
    if verb.name == "be":
        return {"present": ("is", "are"), "past": ("was", "were")}[tense][plural]
    return verb.en[2] if tense == "past" else verb.en[0 if plural else 1]


def clause(subject, name, tense="present", negation="", modal="", passive=False, adverb="",
           obj=None, pronoun=None, indirect=False, gap=None, asked=False, rest=()):
    """A subject and what it does -> (English words, French words).

    negation: not, never, no longer, or nothing. obj: the object, a phrase after the verb. pronoun:
    the phrase that a pronoun before the French verb stands for, `to him` if indirect. gap: the
    phrase whose relative clause this is, as in `the pitcher that the crow saw -`. adverb: often or
    always, which stand before the English verb and after the French one. asked: a question. rest:
    pairs that follow, in the same order in both.

    English   subject  helper not  adverb  verb  pronoun or object      (a question: helper subject)
    French    subject  ne pronoun  finite verb  pas  adverb  participle or infinitive  object
    """
    verb = VERB[name]
    finite = VERB[modal or ("be" if passive else name)]      # the verb that carries the tense
    m_tense, m_verb, m_not, m_ask = (next(MARKS) for _ in range(4))
    m_finite = m_verb if finite is verb else next(MARKS)
    number = subject.number

    # English: the helper, if there is one, then the rest of the verb.
    ask = (m_ask,) if asked else ()
    glued = finite.name == "can" and negation == "not"       # cannot is one word
    helper, form = [], words(finite.en[0], m_finite)
    if tense == "future":
        helper = words("will", m_tense, *ask)
    elif finite.name in ("be", "can", "must"):               # need no do: is not, must not, is it
        helper = words("cannot" if glued else english_form(finite, tense, subject.plural),
                       m_finite, m_tense, *ask, *((m_not,) if glued else ()))
        form = []
    elif negation == "not" or asked:                         # did not see, but never saw
        helper = words(english_form(DO, tense, subject.plural), m_tense, *ask)
    else:
        form = words(english_form(finite, tense, subject.plural), m_finite, m_tense)
    not_en = [] if glued else words(negation, m_not)
    if modal:
        form = form + words("to " * (modal == "want") + verb.en[0], m_verb)
    elif passive:
        form = form + words(verb.en[3], m_verb)
    form = form + words(verb.particle, m_verb)

    # French: what stands before the verb, the finite verb, what completes it.
    clitic_en, clitic_fr = object_pronoun(pronoun, indirect) if pronoun else ([], [])
    if verb.auxiliary == "se":
        clitic_fr = words("se", m_verb)
    if tense == "past":
        agreeing = subject                                   # with être: elles sont venues
        if finite.auxiliary == "avoir":                      # with what stands before: il l' a vue
            agreeing = gap or pronoun if finite is verb and not indirect else None
        finite_fr = words(AUXILIARIES[finite.auxiliary][number], m_tense)
        rest_fr = words(past_participle(finite, agreeing), m_finite)
    else:
        forms = finite.future if tense == "future" else finite.present
        finite_fr = words(forms[number], m_finite, m_tense)
        rest_fr = []
    if modal:                                                # il veut la voir: before its own verb
        rest_fr = rest_fr + clitic_fr + words(verb.infinitive, m_verb)
        clitic_fr = []
    elif passive:
        rest_fr = rest_fr + words(past_participle(verb, subject), m_verb)
    ne, pas = words("ne" if negation else "", m_not), words(NEGATIONS[negation], m_not)

    adverb_en, adverb_fr = small(adverb) if adverb else ([], [])
    obj_en, obj_fr = (obj.en, obj.fr) if obj else ([], [])
    first = helper + subject.en if asked else subject.en + helper
    en = first + not_en + adverb_en + form + clitic_en + obj_en
    fr = words("est-ce que", m_ask) if asked else []
    fr = fr + subject.fr + ne + clitic_fr + finite_fr + pas + adverb_fr + rest_fr + obj_fr
    return join((en, fr), *rest)


DO = Verb("do", ("do", "does", "did", "done"), "", (), (), "", "", "", (), frozenset())


def who(phrase):
    """The relative pronoun as a subject: who, that -> qui."""
    en, fr = leaf("who" if "person" in phrase.tags else "that", "qui")
    return replace(phrase, en=en, fr=fr)


def whom(phrase):
    """The relative pronoun as an object: whom, that -> que."""
    return leaf("whom" if "person" in phrase.tags else "that", "que")


def predicate(subject, name, very=False):
    """An adjective after `is`: (very) tired -> (très) fatiguée, agreeing with the subject."""
    return join(*[small("very")] * very, leaf(name, agree(ADJECTIVE[name], subject)))


# %% 5. Chance
# From here on trees are drawn. Only Random.random() is used, which gives the same numbers in every
# version of Python, and no choice depends on the order of a set.

GROUPS = (("big", "small"), ("old", "young", "new"), ("happy", "sad"),
          ("black", "white", "grey", "red"))          # of each group, one is enough for a noun
GROUP = {name: group for group in GROUPS for name in group}
COLOURS = GROUPS[-1]
ALIVE, PERSON, PLACE = frozenset(["alive"]), frozenset(["person"]), frozenset(["place"])
KINDS = frozenset(["alive", "object", "food", "drink", "wine", "place"])
OWNED = frozenset(["own", "kin", "tame"])
POSITIONS = {"in": "in", "on": "on", "near": "near", "behind": "behind", "under": "under",
             "front": "in front of"}
WHOLE = {"house": ("garden", "wall", "tree"), "castle": ("garden", "wall", "bridge", "well"),
         "village": ("well", "bridge", "mill", "inn"), "garden": ("tree", "wall", "well"),
         "inn": ("garden", "well", "wall"), "mill": ("wall", "bridge", "garden")}
TIME = {"past": "yesterday", "present": "now", "future": "tomorrow"}
LATER = {"past": ("past", "past", "present", "future"), "present": ("present", "present", "future"),
         "future": ("future",)}
EARLIER = {"past": ("past",), "present": ("present", "past"), "future": ("present", "past")}


@lru_cache(maxsize=None)
def nouns(tags, kinds=KINDS):
    """The names of the nouns that have one of the tags, and are of one of the kinds."""
    return [name for name, noun in NOUN.items() if noun.tags & tags and noun.tags & kinds]


@lru_cache(maxsize=None)
def adjectives(tags):
    """The names of the adjectives that can be said of something with these tags."""
    return [name for name, adjective in ADJECTIVE.items()
            if adjective.tags & tags and f"-{name}" not in tags]


@lru_cache(maxsize=None)
def frames(actor=None, patient=None, passive=False, addressed=False, needs=frozenset()):
    """What can be done -> {verb: its frames}, by an actor, to a patient (tags of both, if given).

    addressed: an indirect pronoun will do as well, so that one can speak to a patient that is
    alive. needs: tags of place of which the verb must have one.
    """
    found = {}
    for verb in VERB.values():
        if needs and not verb.where & needs or passive and verb.en[3] == "-":
            continue
        for doer, done_to in verb.frames:
            suits = not patient or (done_to & patient if done_to else addressed
                                    and verb.name == "speak" and "alive" in patient)
            if suits and (not actor or doer & actor) and (done_to or not passive):
                found.setdefault(verb.name, []).append((doer, done_to))
    return found


def clashing(names):
    """The adjectives that cannot join these: they themselves and all of their groups."""
    return [other for name in names for other in GROUP.get(name, (name,))]


@dataclass
class Told:
    """A finished clause, and what the next one may refer to."""
    pair: tuple
    subject: Phrase
    obj: Phrase         # its direct object, or None
    tense: str
    plain: bool         # no relative clause after the subject, so that pronouns are clear


class Storyteller:
    """Draws sentences. `rich`, from 0 to 1, is how readily it embellishes.

    used: how often each lexical word was drawn in all. cast: the words drawn for this sentence,
    none of which is drawn again: there is one fox in a fable, and what it did it did once.
    """

    def __init__(self, seed):
        self.random = random.Random(seed).random
        self.used = Counter()
        self.cast = []

    # Ways to choose
    def chance(self, p):
        return self.random() < p

    def one_of(self, options):
        return options[int(self.random() * len(options))]

    def weighted(self, weights):
        """{option: weight} -> an option, in proportion to its weight."""
        place = self.random() * sum(weights.values())
        for option, weight in weights.items():
            place -= weight
            if place < 0:
                break
        return option

    def balanced(self, options):
        """Of two options drawn, the one that was used less so far.

        Left to chance, what few nouns can be called would be rare. Here no word must be.
        """
        first, second = self.one_of(options), self.one_of(options)
        option = first if self.used[first] <= self.used[second] else second
        self.used[option] += 1
        return option

    def cast_one(self, names):
        """One of the names that is new to this sentence, if there is one."""
        name = self.balanced([name for name in names if name not in self.cast] or names)
        self.cast.append(name)
        return name

    # Phrases
    def description(self, tags, rich):
        """None, one, or two adjectives that can stand together."""
        chosen = []
        for p in (0.22 + 0.3 * rich, 0.1 + 0.3 * rich):
            if not self.chance(p):
                break
            taken = clashing(chosen)
            options = [name for name in adjectives(tags) if name not in taken]
            if chosen:      # big and black, or tired and hungry; not big old, not black and hungry
                first = ADJECTIVE[chosen[0]]
                moods = not first.before and first.name not in COLOURS
                options = [name for name in options if ADJECTIVE[name].before != first.before
                           or moods and name not in COLOURS]
            if options:
                chosen.append(self.balanced(options))
        return tuple(chosen)

    def phrase(self, names, rich, owner=None, definite=False, after_de=False, singular=False):
        """One of the nouns with its determiner and adjectives.

        owner: whose it may be. definite: the, this or a possessive, as under negation. after_de:
        none of those that begin with `de` themselves, for *de des arbres* is no French.
        """
        noun = NOUN[self.cast_one(names)]
        plural = noun.en[1] != "-" and not singular and self.chance(0.45)
        description = self.description(noun.tags, rich)
        if owner and owner.alive and owner.names and self.chance(0.4):
            human = "person" in owner.tags          # foxes have pebbles, but neither hats nor dogs
            if noun.tags & OWNED if human else "own" in noun.tags and "tool" not in noun.tags:
                plural = plural and (owner.plural or "one" not in noun.tags)
                return noun_phrase(noun.name, "", description, plural, owner)
        some = 0 if definite or after_de else 1
        if noun.mass:
            weights = {"the": 5, "some": 3 * some, "this": 2}
        elif plural:
            counted = not definite and "place" not in noun.tags
            weights = {"the": 6, "this": 2, "some": 2 * some, "many": some,
                       "two": counted, "three": counted}
        else:
            one = 0 if definite else 1 if "place" in noun.tags else 4
            weights = {"the": 7, "this": 2, "a": one}
        return noun_phrase(noun.name, self.weighted(weights), description, plural)

    def full_phrase(self, tags, rich, tense, nested=False, pairs=True, **conditions):
        """A phrase with perhaps more behind it, or two phrases, or a whole and its part.

        nested: without a relative clause. pairs: may be two joined by `and`.
        """
        phrase = self.phrase(nouns(tags), rich, **conditions)
        name = phrase.names[0]
        if name in WHOLE and not phrase.plural and self.chance(0.3):
            part = NOUN[self.cast_one(WHOLE[name])]
            plural = part.en[1] != "-" and self.chance(0.5)
            description = self.description(part.tags, rich / 2)
            return both(phrase, noun_phrase(part.name, "", description, plural, phrase))
        if pairs and self.chance(0.4 if NOUN[name].mass else 0.04 + 0.15 * rich):
            others = [other for other in nouns(tags, phrase.tags & KINDS) if other not in self.cast]
            if others:
                conditions["owner"] = phrase
                return both(phrase, self.phrase(others, rich / 2, **conditions))
        of = "own" in phrase.tags and phrase.en[0][0] == "the"
        if of and self.chance(0.06 + 0.15 * rich):
            owner = self.phrase(nouns(PERSON), rich / 2, definite=True)
            return extend(phrase, prepositional("of", owner))
        return phrase if nested else self.perhaps_relative(phrase, rich, tense)

    def perhaps_relative(self, phrase, rich, tense):
        """The phrase, with a relative clause now and then: whom the wolf saw, that is empty."""
        if phrase.owned or not self.chance(0.06 + 0.4 * rich):
            return phrase
        tense = self.one_of((tense, tense, "past", "past", "present"))
        if self.chance(0.45 if phrase.alive else 0.35):
            told = self.clause(rich / 3, tense, subject=phrase, voice=who, nested=True)
            return extend(phrase, told.pair, clause=True)
        told = self.clause(rich / 3, tense, gap=phrase, nested=True)
        return extend(phrase, join(whom(phrase), told.pair), clause=True)

    # Clauses
    def clause(self, rich, tense, subject=None, voice=None, pronoun=None, gap=None, asked=False,
               nested=False, timed=False, needs=frozenset()):
        """Draw a clause -> Told.

        subject: the phrase it is about, said through voice (a pronoun, nothing, who); without, a
        new one is drawn. pronoun, gap, asked: as in the function clause. nested: inside another
        clause, so without relative clauses of its own. timed: of one moment, so without often and
        always. needs: tags of place that the verb must have, as the question asks for it.
        """
        negation = ""
        if self.chance(0 if needs else 0.12 if nested else 0.25):
            always = not timed          # at one moment nothing happens never, or no longer
            negation = self.weighted({"not": 5, "never": 3 * always,
                                      "no longer": 2 * (always and tense != "past")})
        kind = "verb"
        if not (needs or pronoun or gap):
            be = 0 if tense == "past" or voice is silent else 18
            kind = self.weighted({"verb": 72, "be": be, "passive": 8})
            if subject and not subject.alive:
                kind = "be" if be and self.chance(0.6) else "passive"
        if kind == "be":
            return self.be(rich, tense, subject, voice, negation, asked, nested)
        target = pronoun or gap
        if kind == "passive":
            options = frames(patient=subject.tags if subject else None, passive=True)
        else:
            options = frames(subject.tags if subject else None, target.tags if target else None,
                             addressed=bool(pronoun), needs=needs)
        if target and self.chance(0.3):     # those without a passive to show their participles in
            options = {key: options[key] for key in options
                       if VERB[key].en[3] == "-" and key not in self.cast} or options
        name = self.cast_one(list(options))
        verb = VERB[name]
        actor, patient = self.one_of(options[name])
        if not subject:
            subject = self.full_phrase(patient if kind == "passive" else actor, rich, tense,
                                       nested or asked or pronoun, definite=negation or asked)
        spoken = voice(subject) if voice else subject
        if kind == "passive":
            agent = self.phrase(nouns(actor), rich, definite=negation)
            agent = agent if nested else self.perhaps_relative(agent, rich, tense)
            rest = [prepositional("by", agent)]
            if "recipient" in verb.where:       # given to the child by the king
                rest.insert(0, prepositional("to", self.phrase(nouns(ALIVE), rich, after_de=True)))
            pair = clause(spoken, name, tense, negation, passive=True, asked=asked, rest=rest)
            return Told(pair, subject, None, tense, not agent.clause)

        obj = None
        if patient and not target:
            obj = self.full_phrase(patient, rich, tense, nested or "recipient" in verb.where,
                                   not negation, owner=subject, definite=negation)
        modal = adverb = ""
        if "unwilled" not in verb.where and tense != "future" and self.chance(0.15):
            modal = "want" if tense == "past" else self.balanced(["want", "can", "must"])
        elif ("often" in verb.where and not timed and negation in ("", "not")
              and self.chance(0.12)):
            adverb = self.balanced(["often", "always"])
        rest, plain = [], not (obj and obj.clause)
        if "pace" in verb.where and not (adverb or negation) and self.chance(0.35):
            rest.append(small(self.balanced(["slowly", "quickly"])))
        if not needs and not (pronoun and not patient):
            preposition, place = self.whereto(verb, rich, subject)
            if place:
                place = place if nested else self.perhaps_relative(place, rich, tense)
                plain = plain and not place.clause
                rest.append(prepositional(preposition, place))
        pair = clause(spoken, name, tense, negation, modal, False, adverb, obj, pronoun,
                      not patient, gap, asked, rest)
        return Told(pair, subject, obj or (pronoun if patient else None), tense, plain)

    def be(self, rich, tense, subject, voice, negation, asked, nested):
        """The subject is somewhere, or somehow: the pitcher is near the well, the fox is tired."""
        if not subject:
            kind = self.weighted({"alive": 8, "object": 6, "food": 3, "drink": 2, "place": 4})
            subject = self.full_phrase(frozenset([kind]), rich, tense, nested or asked,
                                       definite=True)
        spoken = voice(subject) if voice else subject
        taken = clashing(subject.names)
        options = [name for name in adjectives(subject.tags)
                   if "fixed" not in ADJECTIVE[name].tags and name not in taken
                   and (tense == "present" or "mood" in ADJECTIVE[name].tags)]
        plain = True
        if not options or "place" not in subject.tags and self.chance(0.3):
            preposition, place = self.position(rich)
            place = place if nested else self.perhaps_relative(place, rich, tense)
            plain = not place.clause
            rest = prepositional(preposition, place)
        else:
            name = self.balanced(options)
            very = "absolute" not in ADJECTIVE[name].tags and self.chance(0.3)
            rest = predicate(subject, name, very)
        pair = clause(spoken, "be", tense, negation, asked=asked, rest=[rest])
        return Told(pair, subject, None, tense, plain)

    def position(self, rich):
        """A position -> (preposition, phrase): in front of, the house."""
        place = self.phrase(nouns(PLACE), rich, after_de=True)
        tags = place.tags
        return self.balanced([en for tag, en in POSITIONS.items() if tag in tags]), place

    def whereto(self, verb, rich, subject):
        """Where it happens, where it goes, to whom -> (preposition, phrase), or (None, None)."""
        ways = [way for way in ("to", "into", "from", "fall", "recipient") if way in verb.where]
        if "!" in verb.where or ways and self.chance(0.8):
            way = self.one_of(ways)
            if way == "recipient":
                return "to", self.phrase(nouns(ALIVE), rich, after_de=True)
            if way == "fall":
                way = self.one_of(["wet", "high"])
            tag = {"into": "in", "from": "in"}.get(way, way)
            place = self.phrase(nouns(frozenset([tag]), PLACE), rich, after_de=True,
                                definite=way == "to", singular=way == "to")
            return {"wet": "into", "high": "from"}.get(way, way), place
        if "at" in verb.where and self.chance(0.12 + 0.5 * rich):
            kind = self.weighted({"position": 8, "near": 1, "with": 1})
            if kind == "position":
                return self.position(rich)
            return kind, self.phrase(nouns(ALIVE), rich, subject, after_de=True)
        return None, None

    # Sentences
    def next_clause(self, first, rich, tense, ellipsis=False, timed=False):
        """A clause that goes on from the first: about its subject, its object, or both, or neither.

        Pronouns only after a clause that does not end in a relative clause, where `he` might be
        taken for somebody in it. ellipsis: the subject may be left out.
        """
        target = first.obj or first.subject
        if not first.plain or self.chance(0.1):
            return self.clause(rich, tense, timed=timed)
        if self.chance(0.5):
            return self.clause(rich, tense, pronoun=target, timed=timed)
        voice = silent if ellipsis and self.chance(0.5) else subject_pronoun
        pronoun = first.obj if first.subject.alive and self.chance(0.75) else None
        return self.clause(rich, tense, subject=first.subject, voice=voice, pronoun=pronoun,
                           timed=timed)

    def statement(self, clauses, rich):
        """One clause or more, side by side or one inside the other."""
        tense = self.weighted({"past": 5, "present": 4, "future": 2})
        shape = self.weighted({"chain": 16, "report": 4, "when": 4}) if clauses > 1 else "chain"
        if shape == "report":
            subject = self.full_phrase(ALIVE, rich, "present", nested=True)
            verb = self.balanced(["say", "know", "think"])
            told = Told(clause(subject, verb), subject, None, "present", True)
            last = self.next_clause(told, rich, tense)
            pairs = [told.pair, small("that"), last.pair]
        elif shape == "when":
            tense = "past" if tense == "past" else "present"
            told = self.clause(rich, tense, timed=True)
            last = self.next_clause(told, rich, tense, timed=True)
            pairs = [told.pair, small("when"), last.pair]
            if self.chance(0.5):
                pairs = [small("when"), told.pair, small(","), last.pair]
        else:
            timed = clauses == 1 and self.chance(0.1)
            last = self.clause(rich, tense, timed=timed)
            pairs = [last.pair]
            if timed:
                time = small(TIME[tense])
                return join(*[last.pair, time] if last.plain and self.chance(0.6) else
                            [time, small(","), last.pair])
        joints = {"and": 4, "but": 3, "because": 3 if shape == "chain" else 0}
        for _ in range({"chain": clauses - 1, "report": clauses - 2, "when": 0}[shape]):
            word = self.weighted(joints)
            joints = {**joints, word: 0}                    # each once in a sentence
            tense = self.one_of((EARLIER if word == "because" else LATER)[last.tense])
            last = self.next_clause(last, rich, tense, word != "because" and len(pairs) == 1)
            pairs += [small(word), last.pair]
        return join(*pairs)

    def question(self, rich):
        """Whether, who, why, where."""
        tense = self.weighted({"past": 4, "present": 3, "future": 2})
        kind = self.weighted({"whether": 5, "who": 4, "why": 3, "where": 2, "where is": 1})
        if kind == "who":
            en, fr = small("who")
            subject = Phrase(en, fr, "m", False, PERSON | ALIVE)
            return self.clause(rich, tense, subject=subject).pair
        if kind == "where is":
            phrase = self.full_phrase(frozenset(["alive", "object", "place"]), rich, "present",
                                      definite=True)
            verb = leaf("are", "sont") if phrase.plural else leaf("is", "est")
            return join(small("where"), verb, (phrase.en, phrase.fr))
        needs = frozenset(["at", "to"] if kind == "where" else [])
        told = self.clause(rich, tense, asked=True, needs=needs)
        return told.pair if kind == "whether" else join(small(kind), told.pair)

    def plan(self):
        """What the drafts of one line have in common: question or not, clauses, richness."""
        asked = self.chance(0.1)
        clauses = self.weighted({1: 74, 2: 22, 3: 4})
        r = self.random()           # multiplied out, for pow may differ in the last bit elsewhere
        return asked, clauses, r * r * r * r * r * r / clauses

    def sentence(self, plan):
        """Draw one sentence -> the finished pair."""
        asked, clauses, rich = plan
        self.cast = []
        if asked:
            return finish(self.question(rich), "?")
        return finish(self.statement(clauses, rich))


# %% 6. File
def corpus(size=SENTENCES, seed=SEED, drafts=2):
    """The lines of the file: distinct sentences, in which no word is rarer than it has to be.

    Each line is the best of a few drafts, the one whose rarest word has been the rarest so far.
    That lifts `vues` and `nouvel` from a handful of lines to a number one can learn from. Drawing
    again from so many trees is a test as well: a sentence with two translations would stop us.
    """
    teller, frequency = Storyteller(seed), Counter()
    french, chosen = {}, {}                 # English -> French of all drafts; English -> line
    while len(chosen) < size:
        plan, best = teller.plan(), None
        for _ in range(drafts):
            pair = teller.sentence(plan)
            en, fr = ([word for word, _ in side] for side in pair)
            key, translation = " ".join(en), " ".join(fr)
            if french.setdefault(key, translation) != translation:
                raise ValueError(f"two translations: {key} {translation} {french[key]}")
            if key in chosen or not SHORTEST <= len(en) <= LONGEST:
                continue
            forms = en + [(word,) for word in fr]           # `a` and `lion` are words of both
            rarest = min(map(frequency.__getitem__, forms))
            if best is None or rarest < best[0]:
                best = rarest, key, pair, forms
        if best:
            _, key, pair, forms = best
            chosen[key] = "\t".join(columns(*pair))
            frequency.update(forms)
    # The drawing is random already, but what was chosen late makes up for what came early.
    lines = list(chosen.values())
    for i in reversed(range(1, len(lines))):
        j = int(teller.random() * (i + 1))
        lines[i], lines[j] = lines[j], lines[i]
    return lines


def main(arguments):
    path = Path(arguments[0]) if arguments else Path(__file__).with_name("en_fr.tsv")
    path.write_bytes("".join(line + "\n" for line in corpus()).encode("utf-8"))


if __name__ == "__main__":
    main(sys.argv[1:])
