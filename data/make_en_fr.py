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
    2. Sense          who does what to whom and where, and what follows from it
    3. Words          leaves with marks; elision and contraction; links
    4. Phrases        nouns with their determiners and adjectives, pronouns
    5. Clauses        person, tense, negation, pronouns before the verb, agreement
    6. Chance         a storyteller who draws trees
    7. File           choose, shuffle, write

What the English decides (so that each English sentence has exactly one French one)
    i, you, we       je, tu, nous. Adjectives and participles are masculine for all three. Only
                     some verbs have them in the future
    he, she          persons and animals are he or she by the gender of their French noun
    they, it         stand for the subject of the clause before if they are subjects, for its object
                     if they are objects, else for the one noun that they can mean
    past             the simple past is the passé composé. It is the imparfait of be, have, love,
                     want, can, know, think and live, and after often, always and no longer
    was singing      imparfait; `is singing` is the present; `had lost` is the plus-que-parfait
    while            pendant que; `when` is quand
    when he comes    the future in French if the main clause has `will`
    go into          entrer dans; elsewhere `go` is aller
    return to        retourner à; `return from` is revenir de
    hungry           `is hungry, thirsty, afraid` is avoir faim, soif, peur
    his, her, their  belong to the subject of their own clause
    who, whom, that  persons take `who`, as object of the relative clause `whom`; all else takes
                     `that`. A relative clause belongs to the noun just before it

What the links say
    Every word is linked. Where the languages use different numbers of words, all take part:
    saw             a, vu           the one verb is auxiliary and participle
    was singing     chantait        both to the one verb
    did, does, will                 the helper is linked to the French word that carries its tense,
                                    the finite verb (did - a, does - voit, will - verra); in a
                                    question to `est-ce que` as well
    not             ne, pas         and `cannot` to `ne`, `peut` and `pas`; in the same way `never`
                                    to `ne` and `jamais`, `no longer` to `ne` and `plus`
    wait for        attend          a particle goes with its verb, `to` with its infinitive
    loves cheese    aime le fromage  what has no article in English is linked to the French one too
    near the well   près du puits   `du` is `de` and `le`: linked to `near` and to `the`
    rests           se repose       the reflexive pronoun goes with its verb
    many, some, because, in front of, over    with all the words that translate them
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
LAST, FEW = 500, 43             # the last lines have forms of verbs that were in fewer than these


# %% 1. Lexicon
# Each English noun, adjective and verb has one French word, but see the docstring. The last column
# of a table says what a word may do, so that wolves eat lambs, and nobody drinks a hat.
#
# Nouns: singular plural | singular plural gender | what it is. A dash is a form that is not used.
# The name of a noun is one of its tags, and `-old` says that it is never called old.
#   hunter catches prey, beast catches game, tame is a farmer's animal, burden carries;
#   nibbler, grazer, flesh: what it eats; climber sits on walls and in trees; coat has a colour;
#   light can be carried by small animals, weighty is heavy, hollow empty, dyed has
#   a colour, made is new or old, tall can be big, fair beautiful, kin is one's own, loud is heard;
#   places: in on near behind under front over say where one can be, to, from, enter where one goes,
#   wet and high what one can fall into and from. `in@climber`: climbers only.
NOUNS = """
crow crows | corbeau corbeaux m | animal bird nibbler climber tall
fox foxes | renard renards m | animal beast hunter flesh
wolf wolves | loup loups m | animal beast hunter flesh coat tall
dog dogs | chien chiens m | animal flesh tame coat tall fair
cat cats | chat chats m | animal hunter flesh tame coat climber fair
horse horses | cheval chevaux m | animal grazer tame burden coat tall fair
donkey donkeys | âne ânes m | animal grazer tame burden coat
lion lions | lion lions m | animal beast hunter flesh tall fair
bear bears | ours ours m | animal beast flesh coat tall
bird birds | oiseau oiseaux m | animal bird prey nibbler climber coat tall fair
owl owls | hibou hiboux m | animal bird hunter climber
lamb lambs | agneau agneaux m | animal game grazer tame coat -old
swallow swallows | hirondelle hirondelles f | animal bird prey climber fair
goose geese | oie oies f | animal bird game grazer tame coat fair
ant ants | fourmi fourmis f | animal nibbler
mouse mice | souris souris f | animal prey nibbler coat climber
goat goats | chèvre chèvres f | animal game grazer tame coat fair
frog frogs | grenouille grenouilles f | animal prey

man men | homme hommes m | person adult
farmer farmers | fermier fermiers m | person adult
shepherd shepherds | berger bergers m | person adult
king kings | roi rois m | person adult
miller millers | meunier meuniers m | person adult
child children | enfant enfants m | person kin small -old
woman women | femme femmes f | person adult fair
queen queens | reine reines f | person adult fair
girl girls | fille filles f | person small fair -old
mother - | mère - f | person adult kin

pitcher pitchers | cruche cruches f | thing made weighty hollow dyed tall fair
pebble pebbles | caillou cailloux m | thing light dyed
basket baskets | panier paniers m | thing made weighty hollow tall
key keys | clé clés f | thing made light -old
bell bells | cloche cloches f | thing made weighty loud tall fair
feather feathers | plume plumes f | thing light dyed fair
ring rings | anneau anneaux m | thing made light fair
crown - | couronne - f | thing made weighty fair
stick sticks | bâton bâtons m | thing light
axe - | hache - f | thing made weighty tall
hat - | chapeau - m | thing made dyed tall fair
coat - | manteau - m | thing made dyed fair
lamp - | lampe - f | thing made dyed fair

apple apples | pomme pommes f | food red fair
egg eggs | œuf œufs m | food fresh
cake cakes | gâteau gâteaux m | food fair
nut nuts | noix noix f | food
bread - | pain - m | food mass fresh
cheese - | fromage - m | food mass fresh
meat - | viande - f | food mass fresh
water - | eau - f | drink mass fresh
milk - | lait - m | drink mass fresh
wine - | vin - m | drink mass

garden gardens | jardin jardins m | place in near enter tall fair
field fields | champ champs m | place in near enter over tall -old
forest - | forêt - f | place in near enter over from tall fair -old
river - | rivière - f | place near to wet over from fair -old
well - | puits - m | place near behind to wet
house houses | maison maisons f | place in near behind front enter painted made tall fair
village - | village - m | place in near to enter over from fair
tree trees | arbre arbres m | place near behind under in@climber high@climber tall fair
road - | route - f | place on near
bridge - | pont - m | place on near under high tall fair
wall - | mur - m | place near behind on@climber high@climber painted tall
hill - | colline - f | place on near behind over -old
mill - | moulin - m | place in near behind to enter from
castle - | château - m | place in near front to enter over from tall fair
barn - | grange - f | place in near behind enter to hollow
"""

# Adjectives: English | masculine, feminine, masculine plural, feminine plural, and the masculine
# before a vowel | before or after the French noun | of what it can be said. A `mood` can change, so
# it goes with the future; what is `fixed` stands beside its noun only, never after `is`; what is
# `absolute` is not very so; what is `felt` stands after `is` only, as a noun with avoir.
ADJECTIVES = """
big | grand grande grands grandes grand | before | tall
small | petit petite petits petites petit | before | animal small thing egg cake place
old | vieux vieille vieux vieilles vieil | before | animal person made place
young | jeune jeune jeunes jeunes jeune | before | animal person
good | bon bonne bons bonnes bon | before | food drink king queen
beautiful | beau belle beaux belles bel | before | fair
new | nouveau nouvelle nouveaux nouvelles nouvel | before | made fixed
black | noir noire noirs noires noir | after | coat dyed absolute
white | blanc blanche blancs blanches blanc | after | coat dyed painted absolute
grey | gris grise gris grises gris | after | coat dyed painted absolute
red | rouge rouge rouges rouges rouge | after | dyed apple painted absolute
tired | fatigué fatiguée fatigués fatiguées fatigué | after | animal person mood
sly | rusé rusée rusés rusées rusé | after | beast nibbler cat person
happy | heureux heureuse heureux heureuses heureux | after | animal person mood
sad | triste triste tristes tristes triste | after | animal person mood
proud | fier fière fiers fières fier | after | animal person mood
heavy | lourd lourde lourds lourdes lourd | after | weighty absolute
empty | vide vide vides vides vide | after | hollow mood absolute
fresh | frais fraîche frais fraîches frais | after | fresh absolute
hungry | faim faim faim faim - | felt | animal person mood
thirsty | soif soif soif soif - | felt | animal person mood
afraid | peur peur peur peur - | felt | animal person mood
"""

# Verbs: name | English base, third person, past, participle, -ing form, particle | French: either
# a regular infinitive in -er, or infinitive, participle, present (je, tu, il, nous, ils; tu is left
# out where it is like je) and the stem of the future; then être, or se for a reflexive verb.
VERBS = """
see | see sees saw seen - | voir vu vois voit voyons voient verr
find | find finds found found - | trouver
hear | hear hears heard heard - | entendre entendu entends entend entendons entendent entendr
love | love loves loved - - | aimer
catch | catch catches caught caught - | attraper
wait | wait waits waited - waiting for | attendre attendu attends attend attendons attendent attendr
look | look looks looked looked looking for | chercher
carry | carry carries carried - - | porter
take | take takes took taken - | prendre pris prends prend prenons prennent prendr
lose | lose loses lost lost - | perdre perdu perds perd perdons perdent perdr
eat | eat eats ate eaten eating | manger
drink | drink drinks drank drunk - | boire bu bois boit buvons boivent boir
give | give gives gave given - | donner
hide | hide hides hid hidden - | cacher
speak | speak speaks spoke - speaking | parler
sleep | sleep sleeps slept slept sleeping | dormir dormi dors dort dormons dorment dormir
sing | sing sings sang - singing | chanter
run | run runs ran - running | courir couru cours court courons courent courr
fly | fly flies flew - flying | voler
come | come comes came - - | venir venu viens vient venons viennent viendr être
go | go goes went - - | aller allé vais vas va allons vont ir être
enter | go goes went - - | entrer être
return | return returns returned | revenir revenu reviens revient revenons reviennent reviendr être
back | return returns returned | retourner être
fall | fall falls fell - - | tomber être
shelter | hide hides hid - hiding | cacher se
rest | rest rests rested - resting | reposer se
live | live lives lived - - | vivre vécu vis vit vivons vivent vivr
be | be is was been - | être été suis es est sommes sont ser
have | have has had - - | avoir eu ai as a avons ont aur
feel | be is was - - | avoir eu ai as a avons ont aur
want | want wants wanted - - | vouloir voulu veux veut voulons veulent voudr
can | can can could - - | pouvoir pu peux peut pouvons peuvent pourr
must | must must - - - | devoir dû dois doit devons doivent devr
say | say says said - - | dire dit dis dit disons disent dir
know | know knows knew - - | savoir su sais sait savons savent saur
think | think thinks thought - - | penser
"""
STATES = {"be", "have", "feel", "love", "want", "can", "know", "think", "live"}

# Small words that never change.
SMALL = {
    "in": "dans", "into": "dans", "on": "sur", "under": "sous", "behind": "derrière",
    "in front of": "devant", "near": "près de", "over": "au-dessus de", "to": "à", "from": "de",
    "of": "de", "by": "par", "with": "avec", "and": "et", "but": "mais", "because": "parce que",
    "when": "quand", "while": "pendant que", "that": "que", "who": "qui", "where": "où",
    "why": "pourquoi",
    "very": "très",
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
        """Water and bread: not counted, `some` in the singular."""
        return "mass" in self.tags

    @property
    def speaker(self):
        """i, you or we."""
        return "speaker" in self.tags


@dataclass(frozen=True)
class Adjective:
    name: str
    fr: tuple           # m, f, m plural, f plural, m before a vowel
    place: str
    tags: frozenset


@dataclass(frozen=True)
class Verb:
    name: str
    en: tuple           # base, third person, past, participle, -ing form
    particle: str       # "for" in "wait for", or ""
    infinitive: str
    participle: str
    present: tuple      # je, tu, il, nous, ils
    future: str         # the stem
    auxiliary: str      # avoir, être, or se: reflexive, and so with être


def rows(table):
    """The rows of a table, each a list of cells, each a list of words."""
    return [[cell.split() for cell in line.split("|")]
            for line in table.splitlines() if line.strip()]


def conjugated(name, en, fr):
    """The cells of a row -> a Verb."""
    auxiliary = fr.pop() if fr[-1] in ("être", "se") and fr[0] != fr[-1] else "avoir"
    if len(fr) == 1:                                                # aimer: all else follows
        stem = fr[0][:-2]
        soft = "e" if stem.endswith("g") else ""                    # nous mangeons
        fr = [fr[0], stem + "é", stem + "e", stem + "es", stem + "e", stem + soft + "ons",
              stem + "ent", fr[0]]
    present = fr[2:-1]
    if len(present) == 4:
        present = present[:1] + present
    en = (en + ["-", "-"])[:max(5, len(en))]
    return Verb(name[0], tuple(en[:5]), " ".join(en[5:]), fr[0], fr[1], tuple(present), fr[-1],
                auxiliary)


NOUN = {en[0]: Noun(en[0], tuple(en), tuple(fr[:2]), fr[2],
                    frozenset(tags + [en[0]] + ["alive"] * (tags[0] in ("animal", "person"))))
        for en, fr, tags in rows(NOUNS)}
SPEAKER = {name: Noun(name, (name, "-"), (fr, "-"), "m",
                      frozenset(["alive", "person", "adult", "speaker"]))
           for name, fr in (("i", "je"), ("you", "tu"), ("we", "nous"))}
ADJECTIVE = {en[0]: Adjective(en[0], tuple(fr), place[0], frozenset(tags))
             for en, fr, place, tags in rows(ADJECTIVES)}
VERB = {name[0]: conjugated(name, en, fr) for name, en, fr in rows(VERBS)}
ENDINGS = {"imparfait": ("ais", "ais", "ait", "ions", "aient"),
           "future": ("ai", "as", "a", "ons", "ont")}


# %% 2. Sense
# Frames: verb | who does it > to what > to whom ; or else ... | how. `diet` is what the subject
# eats. How:
#   at: a place where it happens may follow, for hidden, open, home, sky of that kind; to, enter,
#   from, fall: a direction; ! if a place must follow; with: may be done with others; habit: takes
#   often and always; pace: slowly and quickly; unwilled: nobody wants to, must or can; unforeseen:
#   not in the future; passive: can be done by somebody; will, was: i, you and we take the future,
#   and the imparfait of what is no state.
FRAMES = """
see | alive > alive thing house castle river well hill | at habit will passive
find | person > thing food tame child speaker ; animal > diet ; nibbler > light | at passive will
hear | alive > person dog cat horse donkey lion wolf bird crow owl goose lamb frog loud | at passive
love | person > person tame garden house village river hill forest ; tame > person | unwilled
love | animal person > diet | unforeseen
catch | beast > game prey ; hunter > prey ; person > prey fox wolf goose lamb | at passive
wait | person > person tame ; animal > animal ; tame > person | at habit will was
look | person > thing food tame person ; animal > diet ; nibbler > light ; beast > game | at habit
look | alive > water | at
carry | person > pitcher basket bell stick axe lamp food lamb | unforeseen
carry | burden > pitcher basket bell ; nibbler > pebble stick nut cheese |
take | person > thing food ; animal > diet ; nibbler > light | passive
lose | person > thing tame ; nibbler > light nut | at unwilled unforeseen
eat | person > food ; flesh > meat egg ; nibbler > bread nut cheese cake | at passive pace will
eat | grazer > apple bread ; fox cat dog > cheese ; hunter > prey ; beast > game |
drink | alive > water ; adult cat dog lamb mouse > milk ; adult > wine | at pace
give | person > thing food > person ; person > food water milk > tame | passive
give | nibbler > light nut > animal |
hide | person > thing food ; animal > diet ; nibbler > light | hidden passive
speak | alive > alive | at habit
sleep | alive | at habit was
sing | bird person frog | at with habit
run | horse donkey dog goat lamb wolf fox mouse cat child girl | open
fly | bird | sky over
come | alive | to habit
go | alive | to ! habit pace will
enter | alive | enter ! pace
return | alive | from ! pace will
back | alive | to ! pace will
fall | alive light | fall ! unwilled unforeseen
shelter | alive | hidden
rest | alive | at
live | alive | home ! unwilled unforeseen
be | alive thing food | at will was unwilled
fear | person tame game prey > beast ; prey ant > cat owl | will unwilled
have | person > thing tame food ; nibbler > light nut | unwilled unforeseen
want | person > thing tame food ; animal > diet | unwilled unforeseen
"""

# Stories: what follows from what. Letters stand for nouns, `B:tame` for a noun with that tag. A
# clause is a letter, not or never, a modal verb, a verb (`singing`: was singing, or is), an object,
# `to` and a place or somebody, `at` for any place. The sign after a conjunction says when: = at the
# same time, < before, > after. In a line with `when` the two clauses may change places. A line may
# begin with the tenses that it takes.
STORIES = """
A eat F because= A be hungry
A look F:food because= A be hungry
A take F:food because= A be hungry
A drink D because= A be thirsty
A go to W:wet because= A be thirsty
A want drink D because= A be thirsty
A sleep at because= A be tired
A rest at because= A be tired
A shelter at because= A fear H
A run because= A fear H
A look O because< A lose O
A cannot carry O because= O be heavy
A not take O because= O be heavy
A be sad because< A lose O
A be sad because= B not love A
A be sad because< H eat G:game
A be happy because< A eat F:food
past : A fall into W:wet because< A not see W
A be happy because< A find O:fair
A be happy because< B give O to A
A be happy because= B love A
A be proud because< A catch B
A wait B because= A love B
A wait B because= A want speak B
A wait B because= A want eat B
A not eat F because= A not be hungry
A not sleep because= A be hungry
A not sleep because= A fear H
A not sleep because= B singing
A not see B because= A sleeping at
A not hear B because= A sleeping at
A love P:place because= P be beautiful
A take O:fair because= O be beautiful
A come to P because= A want see B
A enter P because= A looking O
A speak B because= B be sad
A give F:food to B because= B be hungry
A love B because= B be good
A not speak B because= A fear B
A be tired because< A not sleep
A be hungry because< A not find F:food
A not be hungry because< A eat F
A not find O because< B hide O
A not eat F because< B eat F
A back to P because< A lose O
A give F:food to B because= A love B
A look O but> A not find O
A want eat F but> A not find F
A want catch B but> A not catch B
A want catch B but= A cannot see B
A see B but> B not see A
A hear B but> A not see B
A wait B but> B not come
A speak B but> B not hear A
A speak B but= B sleeping
A love B but= B not love A
A want O but> B take O
A come to P but> A not find B
A love B and> A give O to B
A cannot wait B because= A be hungry
A want look O but= A be tired
A not sleep because= A waiting B
A be tired but> B not wait A
A see B and> A wait B
A lose O and> A look O
A be small but= A not fear H
A be tired but= A not want sleep
A be hungry but> A not find F:food
A be thirsty but> A not find D:water
A catch B but> A not eat B
A be old but= A be beautiful
A want sleep but= B singing
past present : A find O:hollow but= O be empty
A have O but= A want X
A run but> H catch A
A cannot fly but= A can sing
A hide O at but> B find O
A look B but= B hiding at
A not see B but> A hear B
A be young but= A be sly
A be big but= A fear H
A give F:food to B but> B not eat F
A give O to B but> B lose O
A find F and> A eat F
A look D:water and> A drink D
A have O and> A give O to B
A find O and> A take O
A find O and> A give O to B
A want O but> B give O to C
A find D:water and> A drink D
A go to W:wet and> A drink D:water
A enter P and> A sleep
A enter P and> A see B:alive
A enter P and> A find O
A come to P and> A speak B
A take O and> A give O to B
A take O and> A hide O at
A see B and> A speak B
A see H:beast and> A run
A catch B and> A eat B
A come to P and> A wait B
A be hungry and= B be thirsty
A sleeping at and= B singing at
A eat F and> B drink D
A lose O and> B find O
A back to P and> A sleep
A sing and> B hear A
present : A:animal be big and= B:animal be small
A have O and= B have X
when A enter P , B sleeping
when A enter P , B eating F
when A enter P , B singing
when A see B , B eating F
when A come to P , B eating F
when A come to P , B waiting A
when A back to P , A be hungry
when A return from P , A be tired
when A back to P , B waiting A
when A see H:beast , A shelter at
present future : when A see B:person , A be happy
present future : when A find O:fair , A be happy
present : when A lose O , A be sad
when A come to P , A see B:alive
when A come to P , B speak A
past : when A be young , A live in P
past : when A be young , A love B
past present : when A:bird not flying , A resting at
past : when A not sleeping , A singing
past : when A sleeping at , B take O
past : when A sleeping at , B enter P
past : when A eating F , B come
present future : when A be happy , A sing
present future : when A be hungry , A eat F
present future : when A be tired , A rest at
present future : when A be thirsty , A go to W:wet
"""
LONGER = """
A look O because< A lose O but> A not find O
A see B but> B not see A because= B sleeping at
A wait B because= A love B but> B not come
A find F and> A eat F because= A be hungry
A go to W:wet because= A be thirsty and> A drink D:water
A catch B but> A not eat B because= A not be hungry
A speak B but> B not hear A because= B sleeping at
A shelter at because= A fear H but> H find A
A want eat F but> A not find F because< B take F
A take O and> A hide O at but> B find O
A come to P and> A see B:alive but> B not see A
A give F:food to B because= B be hungry and> B eat F
A lose O and> A look O but> A not find O
A run because= A fear H but> H catch A
A enter P and> A find F but> A not eat F
"""


@dataclass(frozen=True)
class Spec:
    """A clause of a story before it has nouns: letters for its nouns."""
    actor: str
    verb: str                   # or fear; be has an adjective
    negation: str = ""
    modal: str = ""
    doing: bool = False         # was singing, is singing
    obj: str = ""
    to: str = ""                # to whom
    way: str = ""               # at, in, to, from, enter: how the place is reached
    place: str = ""             # its letter; without, any place
    adjective: str = ""
    passive: bool = False       # then obj is who does it
    adverb: str = ""
    asked: str = ""             # whether, why, where

    @property
    def letters(self):
        return [letter for letter in (self.actor, self.obj, self.to, self.place) if letter]


ING = {verb.en[4]: name for name, verb in VERB.items()}


def parse_clause(words, tags):
    """The words of a clause in a story -> Spec; tags collects what a letter must be."""
    letters = []
    for i, word in enumerate(words):
        if word[0].isupper():
            letter, _, tag = word.partition(":")
            words[i] = letter
            letters.append(letter)
            tags.setdefault(letter, set()).update([tag] if tag else [])
    actor, *words = words
    negation = words.pop(0) if words[0] in ("not", "never") else ""
    modal = words.pop(0) if words[0] in ("want", "can", "cannot", "must") and words[1:] and \
        words[1] in VERB else ""
    if modal == "cannot":
        negation, modal = "not", "can"
    verb = words.pop(0)
    negation = words.pop(0) if words[:1] == ["not"] else negation      # be not hungry
    spec = Spec(actor, ING.get(verb, verb), negation, modal, verb in ING)
    if verb == "be":
        return replace(spec, negation="not" if words[0] == "not" else negation, adjective=words[-1])
    for way, word in zip([""] + words, words):
        if word == "at":
            spec = replace(spec, way="at")
        elif word.isupper() and verb == "enter":
            spec = replace(spec, way="enter", place=word)
        elif word.isupper() and way == "to" and verb == "give":
            spec = replace(spec, to=word)
        elif word.isupper() and way in ("to", "from", "in", "into"):
            spec = replace(spec, way="fall" if way == "into" else way, place=word)
        elif word.isupper():
            spec = replace(spec, obj=word)
    return spec


@dataclass(frozen=True)
class Story:
    specs: tuple
    joints: tuple               # before each clause but the first: `because=`
    when: bool
    tags: dict
    tenses: tuple


def parse_story(line):
    """`A eat F because= A be hungry` -> Story."""
    tenses, _, line = line.rpartition(" : ")
    words, tags = line.split(), {}
    when = words[0] == "when"
    clauses, joints = [[]], []
    for word in words[when:]:
        if word[-1] in "=<>,":
            joints.append(word)
            clauses.append([])
        else:
            clauses[-1].append(word)
    specs = tuple(parse_clause(clause, tags) for clause in clauses)
    if not tenses:
        tenses = "past present future"
        if any(spec.modal or spec.doing or spec.verb == "want" for spec in specs):
            tenses = "past present"
    return Story(specs, tuple(joints), when, tags, tuple(tenses.split()))


STORY = [parse_story(line) for line in STORIES.strip().splitlines()]
LONG_STORY = [parse_story(line) for line in LONGER.strip().splitlines()]


FRAME, HOW = {}, {}             # verb -> (who, what, to whom) each; verb -> how
for (name,), frames, how in rows(FRAMES):
    HOW[name] = HOW.get(name, frozenset()) | frozenset(how)
    for frame in " ".join(frames).split(";"):
        sides = [frozenset(side.split()) for side in frame.split(">")]
        FRAME.setdefault(name, []).append((sides + [None, None])[:3])
PASSIVES = [name for name in HOW if "passive" in HOW[name]]


def transitive(verb):
    """Does it take an object?"""
    return FRAME[verb][0][1] is not None


@lru_cache(maxsize=None)
def sensible(verb, actor, patient=None, recipient=None):
    """Can somebody with these tags do it, to something and for somebody with those?"""
    for doer, done_to, receiver in FRAME[verb]:
        if not doer & actor or patient and not done_to or recipient and not receiver:
            continue
        suits = not patient or done_to & patient or (
            "diet" in done_to and "food" in patient and sensible("eat", actor, patient))
        if suits and (not recipient or receiver & recipient):
            return True
    return False


PREPOSITIONS = {"in": "in", "on": "on", "near": "near", "behind": "behind", "under": "under",
                "front": "in front of"}
HOMES = frozenset(["forest", "house", "village", "castle", "mill", "barn", "river"])
OPEN = frozenset(["field", "forest", "garden", "road", "river"])
PLACED = frozenset(["at", "hidden", "open", "home", "sky"])
KINDS = frozenset(["person", "animal", "thing", "food", "drink", "place"])


@lru_cache(maxsize=None)
def reached(place, actor, way, how=frozenset(["at"])):
    """The English prepositions for somebody and a place with these tags.

    way: to, from, enter, fall; else where one can be, for a verb with these tags of how.
    """
    if "place" not in place:
        return []
    if way in ("to", "from"):
        return [way] * (way in place)
    if way == "enter":
        return ["into"] * (way in place)
    climbs = "climber" in actor
    if way == "fall":
        high = "high" in place and "alive" in actor or "high@climber" in place and climbs
        return ["into"] * ("wet" in place) + ["from"] * high
    if "home" in how and not place & HOMES or "open" in how and not place & OPEN:
        return []
    usual = ("in", "behind", "under") if "hidden" in how else ("near",) if "sky" in how else (
        "in", "near") if "home" in how else PREPOSITIONS
    found = [PREPOSITIONS[tag] for tag in sorted(place) if tag in usual]
    if climbs and "at" in how:
        found += [tag.split("@")[0] for tag in ("in@climber", "on@climber") if tag in place]
    return found + ["over"] * ("over" in how & place)


@lru_cache(maxsize=None)
def sayable(name, tags):
    """Can an adjective be said of something with these tags?"""
    return bool(ADJECTIVE[name].tags & tags) and f"-{name}" not in tags


@lru_cache(maxsize=None)
def adjectives(tags, predicate=False):
    """The names of the adjectives that can stand beside a noun, or after `is`."""
    return [name for name, adjective in ADJECTIVE.items() if sayable(name, tags)
            and (name != "afraid" and "fixed" not in adjective.tags if predicate
                 else adjective.place != "felt")]


def makes_sense(spec, cast, tense):
    """Does a clause make sense? cast: the tags of the noun for each of its letters."""
    actor, obj, to, place = (cast.get(letter) for letter in (
        spec.actor, spec.obj, spec.to, spec.place))
    how = HOW[spec.verb]
    if "speaker" in actor and not spec.modal and (
            tense == "future" and "will" not in how
            or tense == "past" and spec.doing and "was" not in how
            or tense == "present" and spec.verb == "fall"):
        return False
    if tense == "future" and (spec.adjective and "mood" not in ADJECTIVE[spec.adjective].tags
                              or "unforeseen" in how):
        return False
    if spec.adjective:
        return sayable(spec.adjective, actor)
    if spec.passive:
        actor, obj = obj, actor
    if actor and not sensible(spec.verb, actor, obj, to):
        return False
    if obj and to and "food" in obj and "animal" in to and not sensible("eat", to, obj):
        return False
    return not place or bool(reached(place, actor, spec.way, how))


@lru_cache(maxsize=None)
def candidates(specs, letter, bound, tags):
    """The nouns for a letter, if others are bound: (letter, tags) each -> names of speakers, names.

    specs: clauses with their tenses.
    """
    cast = dict(bound)
    specs = [(spec, tense) for spec, tense in specs if letter in spec.letters
             and all(other == letter or other in cast for other in spec.letters)]

    def fits(noun):
        return tags <= noun.tags and all(
            makes_sense(spec, {**cast, letter: noun.tags}, tense) for spec, tense in specs)
    return [[name for name in table if fits(table[name])] for table in (SPEAKER, NOUN)]


# %% 3. Words
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


ASPIRATED = ("hibou", "hache")              # le hibou, la hache: as if they began with a consonant
BEFORE_VOWEL = {"le": "l'", "la": "l'", "de": "d'", "que": "qu'", "ne": "n'", "se": "s'",
                "je": "j'", "me": "m'", "te": "t'", "ce": "cet", "ma": "mon", "ta": "ton",
                "sa": "son"}
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


# %% 4. Phrases
@dataclass(frozen=True)
class Phrase:
    """A noun with all that hangs on it, and what the rest of the sentence must know about it."""
    en: list
    fr: list
    gender: str
    plural: bool
    tags: frozenset
    person: int = 3
    owned: bool = False     # begins with a possessive
    clause: bool = False    # ends with a relative clause

    @property
    def index(self):
        """The place of its verb in (je, tu, il, nous, ils)."""
        return self.person - 1 + 3 * self.plural if self.person < 3 else 2 + 2 * self.plural

    @property
    def form(self):
        """The place of an adjective that agrees with it in (m, f, m plural, f plural)."""
        return 2 * self.plural + (self.gender == "f")


# Determiners: singular masculine, singular feminine, plural. A possessive goes by its owner's
# index: je, tu, il, nous, ils.
DETERMINERS = {
    "the": ("le", "la", "les"), "a": ("un", "une", ""), "this": ("ce", "cette", "ces"),
    "some": ("de le", "de la", "des"), "many": ("", "", "beaucoup de"),
    "two": ("", "", "deux"), "three": ("", "", "trois"), "": ("le", "la", "les"),
    0: ("mon", "ma", "mes"), 1: ("ton", "ta", "tes"), 2: ("son", "sa", "ses"),
    3: ("notre", "notre", "nos"), 4: ("leur", "leur", "leurs"),
}


def pronoun_of(phrase, *forms):
    """One of the forms for i, you, he, she, it, we, they."""
    place = phrase.index
    if place >= 3:
        place += 2
    elif place == 2:
        place = 4 if "alive" not in phrase.tags else 3 if phrase.gender == "f" else 2
    return forms[place]


def noun_phrase(name, determiner="the", adjectives=(), plural=False, owner=None):
    """`pitcher`, `a`, (`big`, `black`) -> a big black pitcher, une grande cruche noire.

    Two adjectives of which both follow the French noun are joined: tired and sad, fatigué et
    triste. With an owner, the determiner is the possessive that refers to it. Without determiner
    it is what somebody loves: cheese, le fromage.
    """
    noun = NOUN[name]
    feminine = noun.gender == "f"
    noun_mark, mark = next(MARKS), next(MARKS)
    en, fr = words(noun.en[plural], noun_mark), words(noun.fr[plural], noun_mark)
    told = [ADJECTIVE[adjective] for adjective in adjectives]
    after = [adjective for adjective in told if adjective.place == "after"]
    before = [adjective for adjective in told if adjective.place == "before"]
    for i, adjective in enumerate(reversed(after)):         # the last one first, next to the noun
        a_en, a_fr = leaf(adjective.name, adjective.fr[2 * plural + feminine])
        and_en, and_fr = small("and") if i else ([], [])
        en, fr = a_en + and_en + en, fr[:1] + a_fr + and_fr + fr[1:]
    for adjective in before:
        special = vowel(fr[0][0]) and not plural and not feminine           # un vieil homme
        a_en, a_fr = leaf(adjective.name, adjective.fr[4 if special else 2 * plural + feminine])
        en, fr = a_en + en, a_fr + fr
    key, d_en = determiner, "these" if determiner == "this" and plural else determiner
    if owner:
        key = owner.index
        d_en = pronoun_of(owner, "my", "your", "his", "her", "its", "our", "their")
    d_fr = DETERMINERS[key][2 if plural else feminine]
    if key == "some" and plural and before:
        d_fr = "de"                                                         # de grands arbres
    return Phrase(words(d_en, mark) + en, words(d_fr, mark if d_en else noun_mark) + fr,
                  noun.gender, plural, noun.tags, owned=owner is not None)


def speaker(name):
    """i, you or we; je, tu, nous: masculine."""
    noun = SPEAKER[name]
    en, fr = leaf(name, noun.fr[0])
    return Phrase(en, fr, "m", name == "we", noun.tags, 2 if name == "you" else 1)


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
    return Phrase(en, fr, gender, True, first.tags & second.tags,
                  clause=first.clause or second.clause)


def subject_pronoun(phrase):
    """i, you, he, she, it, we, they; je, tu, il, elle, nous, ils, elles."""
    third = ("elle" if phrase.gender == "f" else "il") + "s" * phrase.plural
    en, fr = leaf(pronoun_of(phrase, "i", "you", "he", "she", "it", "we", "they"),
                  pronoun_of(phrase, "je", "tu", third, third, third, "nous", third))
    return replace(phrase, en=en, fr=fr, clause=False)


def object_pronoun(phrase, dative=False, to=False):
    """me, you, him, her, it, us, them -> (English, French) words; to whom if dative."""
    mark = next(MARKS)
    third = ("leur" if phrase.plural else "lui") if dative else DETERMINERS["the"][
        2 if phrase.plural else phrase.gender == "f"]
    en = pronoun_of(phrase, "me", "you", "him", "her", "it", "us", "them")
    fr = pronoun_of(phrase, "me", "te", third, third, third, "nous", third)
    return words("to " * to + en, mark), words(fr, mark)


def silent(phrase):
    """The subject that is not said again: the crow came and - slept."""
    return replace(phrase, en=[], fr=[], clause=False)


def who(phrase):
    """The relative pronoun as a subject: who, that -> qui."""
    en, fr = leaf("who" if "person" in phrase.tags else "that", "qui")
    return replace(phrase, en=en, fr=fr)


def whom(phrase):
    """The relative pronoun as an object: whom, that -> que."""
    return leaf("whom" if "person" in phrase.tags else "that", "que")


def predicate(subject, name, very=False):
    """An adjective after `is`: (very) tired -> (très) fatiguée, agreeing with the subject."""
    return join(*[small("very")] * very, leaf(name, ADJECTIVE[name].fr[subject.form]))


# %% 5. Clauses
NEGATIONS = {"": "", "not": "pas", "never": "jamais", "no longer": "plus"}
PARTICIPLE_ENDINGS = ("", "e", "s", "es")       # m, f, m plural, f plural
DO = replace(VERB["see"], name="do", en=("do", "does", "did", "done", "doing"))


def french_form(verb, tense, index):
    """A simple form: present, imparfait or future."""
    if tense == "present":
        return verb.present[index]
    stem = verb.future if tense == "future" else verb.present[3][:-3]
    if verb.name == "be" and tense == "imparfait":
        stem = "ét"
    if tense == "imparfait" and stem.endswith("ge") and index == 3:
        stem = stem[:-1]                                                    # nous mangions
    return stem + ENDINGS[tense][index]


def past_participle(verb, phrase):
    """The participle of a verb in gender and number of a phrase, or as it is for None."""
    ending = PARTICIPLE_ENDINGS[phrase.form] if phrase else ""
    return verb.participle + ("" if ending == "s" and verb.participle.endswith("s") else ending)


def forms(verb):
    """All forms of a verb: English words, and French words each in a tuple, as in corpus."""
    simple = [french_form(verb, tense, index)
              for tense in ("present", *ENDINGS) for index in range(5)]
    simple += [verb.infinitive] + [verb.participle + ending for ending in PARTICIPLE_ENDINGS]
    return [*verb.en, *((form,) for form in simple)]


def english_form(verb, past, subject):
    """see, sees, saw; be has forms of its own."""
    third = subject.person == 3 and not subject.plural
    if verb.en[0] == "be":
        i = subject.index == 0
        if past:
            return "was" if third or i else "were"
        return "am" if i else "is" if third else "are"
    return verb.en[2] if past else verb.en[1 if third else 0]


def clause(subject, name, tense="present", negation="", modal="", passive=False, adverb="",
           obj=None, pronoun=None, dative=False, gap=None, asked=False, rest=()):
    """A subject and what it does -> (English words, French words).

    tense: present, past, future; doing, was: `is singing`, `was singing`; had: `had sung`; soon:
    `when he sings` in a sentence about the future. negation: not, never, no longer, or nothing.
    obj: the object, a phrase after the verb. pronoun: the phrase that a pronoun before the French
    verb stands for, to whom if dative. gap: the phrase whose relative clause this is, as in `the
    pitcher that the crow saw -`. adverb: stands before the English verb and after the French one.
    asked: a question. rest: pairs that follow, in the same order in both.

    English   subject  helper not  adverb  verb  pronoun or object      (a question: helper subject)
    French    subject  ne pronoun  finite verb  pas  adverb  participle or infinitive  object
    """
    verb = VERB[name]
    finite = VERB[modal or ("be" if passive else name)]      # the verb that carries the tense
    m_tense, m_verb, m_not, m_ask = (next(MARKS) for _ in range(4))
    m_finite = m_verb if finite is verb else next(MARKS)
    past = tense in ("past", "was", "had")

    # English: the helper, if there is one, then the rest of the verb.
    ask = (m_ask,) if asked else ()
    glued = finite.name == "can" and negation == "not" and not past         # cannot is one word
    rest_en = words("to " * (modal == "want") + verb.en[3 if passive else 0], m_verb)
    rest_en = rest_en if modal or passive else []
    helper = []
    if tense == "future":
        helper, form = words("will", m_tense, *ask), words(finite.en[0], m_finite)
    elif tense in ("doing", "was"):
        helper = words(english_form(VERB["be"], past, subject), m_tense, *ask)
        form = words(finite.en[4], m_finite)
    elif tense == "had":
        helper, form = words("had", m_tense, *ask), words(finite.en[3], m_finite)
    elif finite.en[0] in ("be", "can", "must"):              # need no do: is not, must not, is it
        helper = words("cannot" if glued else english_form(finite, past, subject),
                       m_finite, m_tense, *ask, *((m_not,) if glued else ()))
        form = []
    elif negation == "not" or asked:                         # did not see, but never saw
        helper = words(english_form(DO, past, subject), m_tense, *ask)
        form = words(finite.en[0], m_finite)
    else:
        form = words(english_form(finite, past, subject), m_finite, m_tense)
    not_en = [] if glued else words(negation, m_not)
    form = form + rest_en + words(verb.particle, m_verb)

    # French: what stands before the verb, the finite verb, what completes it.
    to = bool(pronoun) and name == "speak"
    clitic_en, clitic_fr = object_pronoun(pronoun, dative, to) if pronoun else ([], [])
    if verb.auxiliary == "se":
        clitic_fr = words(("me", "te", "se", "nous", "se")[subject.index], m_verb)
    habit = finite.name in STATES and not passive or adverb in ("often", "always")
    habit = habit or negation == "no longer"
    if tense == "had" or tense == "past" and not habit:
        agreeing = subject                                   # with être: elles sont venues
        if finite.auxiliary == "avoir":                      # with what stands before: il l' a vue
            agreeing = gap or (None if dative else pronoun) if finite is verb else None
        auxiliary = VERB["have" if finite.auxiliary == "avoir" else "be"]
        finite_fr = words(french_form(auxiliary, "imparfait" if tense == "had" else "present",
                                      subject.index), m_tense)
        rest_fr = words(past_participle(finite, agreeing), m_finite)
    else:
        simple = "future" if tense in ("future", "soon") else "imparfait" if past else "present"
        finite_fr = words(french_form(finite, simple, subject.index), m_finite, m_tense)
        rest_fr = []
    if modal:                                                # il veut la voir: before its own verb
        rest_fr = rest_fr + clitic_fr + words(verb.infinitive, m_verb)
        clitic_fr = []
    elif passive:
        rest_fr = rest_fr + words(past_participle(verb, subject), m_verb)
    ne, pas = words("ne" if negation else "", m_not), words(NEGATIONS[negation], m_not)

    adverb_en, adverb_fr = small(adverb) if adverb else ([], [])
    rest_fr = rest_fr + adverb_fr if adverb == "slowly" else adverb_fr + rest_fr
    obj_en, obj_fr = (obj.en, obj.fr) if obj else ([], [])
    first = helper + subject.en if asked else subject.en + helper
    en = first + not_en + adverb_en + form + clitic_en + obj_en
    fr = words("est-ce que", m_ask) if asked else []
    fr = fr + subject.fr + ne + clitic_fr + finite_fr + pas + rest_fr + obj_fr
    return join((en, fr), *rest)


# %% 6. Chance
# From here on trees are drawn. Only Random.random() is used, which gives the same numbers in every
# version of Python, and no choice depends on the order of a set.

GROUPS = (("big", "small"), ("old", "young", "new"), ("hungry", "tired", "happy", "sad", "proud"),
          ("black", "white", "grey", "red"))          # of each group, one is enough for a noun
GROUP = {name: group for group in GROUPS for name in group}
MOODS, COLOURS = GROUPS[2:]
# What can be anybody's, and what can be of something.
OWNED = {"person": frozenset("thing tame kin food house garden field".split()),
         "animal": frozenset(["light"])}
WHOLES = {"wall": "house castle garden", "bell": "castle village", "crown": "king queen",
          "garden": "adult castle", "house": "adult", "field": "farmer miller king",
          "mother": "person", "child": "king queen farmer miller woman", "thing": "adult",
          "tame": "adult"}
TIME = {"past": "yesterday", "doing": "now", "future": "tomorrow"}
WHERE = "see find catch lose sleep sing run rest live shelter go".split()
RESTING = "sleep rest shelter sing eat".split()
RELATIVES = [Spec("X", verb, obj="O" * transitive(verb), to="T" * (verb == "give"))
             for verb in RESTING + "see find hear love catch wait look lose drink give speak live "
             "have".split()]
WHO = Noun("who", ("who", "-"), ("qui", "-"), "m", frozenset(["alive", "person", "adult"]))


def named(fits):
    """The names of the nouns that fit."""
    return [name for name, noun in NOUN.items() if fits(noun)]


@dataclass
class Role:
    """Somebody or something of which a sentence tells: drawn first, said later."""
    noun: Noun
    plural: bool = False
    other: Noun = None          # a second noun: the fox and the wolf
    told: tuple = ()            # adjectives that the sentence says of it after `is`
    phrase: Phrase = None       # once it is said

    @property
    def tags(self):
        return self.noun.tags & self.other.tags if self.other else self.noun.tags


class Storyteller:
    """Draws sentences. `rich`, from 0 to 1, is how readily it embellishes.

    used: how often each word was drawn in all. focus: a verb that is wanted. cast: the nouns and
    adjectives of this sentence, none of which is drawn again: there is one fox in a fable. said:
    the roles mentioned so far; subject, object: those of the clause before.
    """

    def __init__(self, seed):
        self.random = random.Random(seed).random
        self.used = Counter()
        self.focus = None

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
        """Of two options drawn, the one that was used less so far: no word must be rare."""
        first, second = self.one_of(options), self.one_of(options)
        option = first if self.used[first] <= self.used[second] else second
        self.used[option] += 1
        return option

    def least_used(self, verbs, tense):
        """Of eight verbs drawn, the one that was used least in a tense."""
        if self.focus in verbs:
            return self.focus
        return min([self.one_of(verbs) for _ in range(8)], key=lambda verb: self.used[verb, tense])

    # Who takes part
    def cast_one(self, names, speakers=(), share=0.0, singular=False):
        """A new role: one of the names, or with a chance one of the speakers. None if all are cast.

        There is one of i and we in a sentence.
        """
        speakers = [name for name in speakers if name not in self.cast and (
            name == "you" or not {"i", "we"} & set(self.cast))]
        names = [name for name in names if name not in self.cast]
        if speakers and self.chance(share):
            self.cast.append(self.one_of(speakers))
            return Role(SPEAKER[self.cast[-1]])
        if not names:
            return None
        noun = NOUN[self.balanced(names)]
        self.cast.append(noun.name)
        plural = noun.en[1] != "-" and not singular
        return Role(noun, plural and self.chance(0.2 if "place" in noun.tags else 0.42))

    def bind(self, specs, tags, share=0.3, roles=(), pairs=True):
        """Draw a role for each letter, so that all clauses make sense -> {letter: role}, or None.

        specs: clauses with their tenses. tags: by letter, what its noun must be. share: that of
        i, you and we where they can stand. roles: those that are given.
        """
        roles = dict(roles)
        for letter in dict.fromkeys(letter for spec, _ in specs for letter in spec.letters):
            if letter in roles:
                continue
            bound = tuple((other, role.tags) for other, role in roles.items())
            wanted = frozenset(tags.get(letter, ()))
            speakers, names = candidates(tuple(specs), letter, bound, wanted)
            uses = [spec for spec, _ in specs if letter in spec.letters]
            if any(spec.to == letter and len(specs) > 1 or spec.passive and spec.obj == letter
                   for spec in uses):
                speakers = ()                       # neither `gave it to you` nor `seen by you`
            role = roles[letter] = self.cast_one(names, speakers, share, any(
                spec.way in ("to", "enter") and spec.place == letter for spec in uses))
            if not role:
                return None
            acts = all(spec.actor == letter for spec in uses)
            plain = acts or len(specs) == 1 and uses[0].obj == letter and not (
                uses[0].passive or uses[0].verb in ("fear", "speak"))
            if pairs and plain and not (role.noun.speaker or "mother" in role.tags) and (
                    self.chance(0.07)):
                other = self.cast_one([name for name in names
                                       if NOUN[name].tags & role.tags & KINDS and name != "mother"])
                if other:
                    role.other, role.plural = other.noun, True
            role.told = tuple(spec.adjective or "afraid" for spec in uses
                              if spec.actor == letter and (spec.adjective or spec.verb == "fear"))
            self.cast += role.told
        cast = {letter: role.tags for letter, role in roles.items()}
        return roles if all(makes_sense(spec, cast, tense) for spec, tense in specs) else None

    # Phrases
    def description(self, tags, rich, told=()):
        """None, one, or two adjectives that can stand together, and beside what is told."""
        chosen = []
        if told and "alive" not in tags:
            return ()
        taken = self.cast + [other for name in told for other in GROUP.get(name, (name,))]
        taken += MOODS + ("sly",) if told else ()
        for p in (0.28 + 0.3 * rich, 0.1 + 0.3 * rich):
            if not self.chance(p):
                break
            taken += [other for name in chosen for other in GROUP.get(name, (name,))]
            options = [name for name in adjectives(tags) if name not in taken]
            if chosen:      # big and black, or sly and sad; not big old, not black and sad
                first = ADJECTIVE[chosen[0]]
                moods = first.place == "after" and first.name not in COLOURS
                options = [name for name in options if ADJECTIVE[name].place != first.place
                           or moods and "mood" in ADJECTIVE[name].tags]
            if options:
                chosen.append(self.balanced(options))
        self.cast += chosen
        return tuple(chosen)

    def determiner(self, noun, plural, definite, indefinite):
        """One of the determiners.

        definite: only the, this, or for "the" nothing else; indefinite: rather a, some.
        """
        if definite == "the":
            return definite
        some = 0 if definite else 8 if indefinite else 1
        if noun.mass:
            return self.weighted({"the": 4, "some": 2 * some, "this": 1})
        if plural:
            some *= "place" not in noun.tags
            return self.weighted({"the": 7, "this": 2, "some": 1.5 * some, "many": 0.7 * some,
                                  "two": some, "three": some})
        return self.weighted({"the": 7, "this": 1 if "place" in noun.tags else 2, "a": 2.5 * some})

    def name(self, role, rich, tense, **conditions):
        """The phrase that mentions a role by its noun, for the first time or again."""
        if not role.phrase:
            phrase = role.phrase = self.full(role, rich, tense, **conditions)
        elif role.other:
            phrase = both(noun_phrase(role.noun.name), noun_phrase(role.other.name))
        else:
            phrase = noun_phrase(role.noun.name, "the", (), role.plural)
        self.said.append(role)
        return phrase

    def full(self, role, rich, tense, owner=None, owned=0.35, definite=False, indefinite=False,
             nested=False, acts=False):
        """The phrase that mentions a role for the first time.

        owner: the subject, whose it may be, with the chance owned. nested: no relative clause.
        acts: it is a subject. A mother is always somebody's.
        """
        if role.noun.speaker:
            return speaker(role.noun.name)
        if role.other:
            return both(*(noun_phrase(noun.name, self.determiner(noun, False, definite, indefinite),
                                      self.description(noun.tags, rich / 2, role.told))
                          for noun in (role.noun, role.other)))
        noun, mother = role.noun, role.noun.name == "mother"
        description = self.description(noun.tags, rich, role.told)
        own = owner and "alive" in owner.tags and noun.tags & OWNED[
            "person" if "person" in owner.tags else "animal"]
        own = own and not ("place" in noun.tags and role.plural and not owner.plural)
        if own and (mother or self.chance(owned)):
            return noun_phrase(noun.name, "", description, role.plural, owner)
        determiner = "the" if mother else self.determiner(noun, role.plural, definite, indefinite)
        phrase = noun_phrase(noun.name, determiner, description, role.plural)
        wholes = next((WHOLES[tag].split() for tag in WHOLES if tag in noun.tags), ())
        if wholes and determiner == "the" and (mother or self.chance(0.04 + 0.2 * rich)):
            whole = self.cast_one(named(lambda noun: noun.tags & set(wholes)
                                        and noun.name != "mother"), singular=True)
            if whole:
                self.said.append(whole)
                whole.phrase = noun_phrase(whole.noun.name, "the",
                                           self.description(whole.tags, rich / 2))
                return extend(phrase, prepositional("of", whole.phrase))
        if nested or not self.chance(0.05 + 0.45 * rich):
            return phrase
        return self.relative(role, phrase, rich / 3, tense, acts)

    def relative(self, role, phrase, rich, main, acts):
        """The phrase with a relative clause: whom the wolf saw, that lived near the forest.

        main: the tense of the clause around it. acts: it is the subject there, and does not sleep.
        What happened before something that happened, had happened.
        """
        role.phrase = phrase
        for _ in range(4):
            tense = self.one_of(("past", "past" if main == "past" else "present"))
            letter, spec = self.one_of("XOO"), self.one_of(RELATIVES)
            state = spec.verb in STATES
            doing = not state and VERB[spec.verb].en[4] != "-"
            if letter == "X" and acts and doing and (
                    tense == "present" or spec.verb not in ("wait", "look")) \
                    or letter == "O" and (not spec.obj
                                          or spec.verb in ("have", "eat", "drink", "speak")) \
                    or tense == "present" and not (state or doing) \
                    or tense == "past" and main == "future" and state:
                continue
            spec = replace(spec, doing=doing)
            roles = self.bind([(spec, tense)], {}, 0.35, {letter: role})
            if roles:
                before = self.subject, self.object
                over = main in ("past", "had") and tense == "past" and not (state or doing)
                told = self.tell(spec, roles, "had" if over else tense, rich, nested=True,
                                 gap=letter == "O", subject=who(phrase) if letter == "X" else None,
                                 free=spec.verb in RESTING)
                self.subject, self.object = before
                told = join(whom(phrase), told) if letter == "O" else told
                return extend(phrase, told, clause=True)
        return phrase

    def clear(self, role, subject=None, alive=True):
        """Can only this role be meant by its pronoun?

        subject: that of the same clause, where the pronoun is an object. alive: if the role is,
        things cannot be meant.
        """
        def word(phrase):
            return pronoun_of(phrase, "i", "you", "he", "she", "it", "we", "they")
        alive = alive and "alive" in role.tags
        return role.noun.speaker or role is (self.object if subject else self.subject) or all(
            other in (role, subject) or alive and "alive" not in other.tags
            or word(other.phrase) != word(role.phrase) for other in self.said)

    # Clauses
    def tell(self, spec, roles, tense, rich, subject=None, gap=False, quiet=False, free=True,
             nested=False):
        """Say a clause with its roles -> a pair.

        subject: said like this. gap: the object is the noun whose relative clause this is. quiet:
        the subject may be left out if it is that of the clause before. free: a place may be added.
        """
        actor, patient, to = (roles.get(letter) for letter in (spec.actor, spec.obj, spec.to))
        name, definite = spec.verb, bool(spec.negation or spec.asked)
        felt = spec.adjective and ADJECTIVE[spec.adjective]
        self.used[name, "passive" if spec.passive else "doing" if spec.doing else tense] += 1
        if subject:
            actor.phrase = actor.phrase or subject
        elif actor.phrase and self.clear(actor, alive=not felt or "mood" in felt.tags):
            leave = quiet and actor is self.subject and not actor.noun.speaker and self.chance(0.5)
            subject = (silent if leave else subject_pronoun)(actor.phrase)
        else:
            subject = self.name(actor, rich, tense, acts=True, nested=nested or spec.asked,
                                definite=definite or nested or name == "be" or spec.passive)
        owner = actor.phrase

        obj = pronoun = None
        dative, rest = False, []
        if felt:
            very = "absolute" not in felt.tags and not spec.negation and self.chance(0.25)
            rest = [predicate(subject, felt.name, very)]
        elif name == "fear":
            feared = self.name(patient, rich, tense, definite=True, nested=nested)
            rest = [leaf("afraid", "peur"), prepositional("of", feared)]
        elif spec.passive:
            agent = self.name(patient, rich, tense, definite=True, nested=nested, acts=True)
            rest = [prepositional("by", agent)]
        elif patient and not gap:
            if patient.noun.speaker or patient.phrase and self.clear(patient, actor):
                patient.phrase = patient.phrase or speaker(patient.noun.name)
                pronoun, dative = patient.phrase, name == "speak"
            elif name == "love" and "food" in patient.tags and not patient.phrase:
                patient.plural = not patient.noun.mass      # mice love cheese
                obj = patient.phrase = noun_phrase(patient.noun.name, "", (), patient.plural)
                self.said.append(patient)
            else:
                wanted = name in ("have", "want") and not spec.negation
                obj = self.name(
                    patient, rich, tense, indefinite=wanted,
                    definite=definite and not wanted or name in ("wait", "love"),
                    nested=nested or bool(to), owner=None if name in ("find", "see") else owner,
                    owned=0 if name in ("have", "want") else 0.85 if name == "lose" else 0.35)
        if name == "speak" and obj:
            rest, obj = [prepositional("to", obj)], None
        if to and (to.noun.speaker or to.phrase and not pronoun and self.clear(to, actor)):
            pronoun = to.phrase = to.phrase or speaker(to.noun.name)
            dative = True
        elif to:
            receiver = self.name(to, rich, tense, owner=owner, owned=0.15, definite=True,
                                 nested=nested or spec.passive)
            rest.insert(0, prepositional("to", receiver))
        rest.append(self.where(spec, roles, rich, tense, nested, free and not (obj and obj.clause)))
        self.subject, self.object = actor, patient
        now = {"past": "was", "present": "doing"}[tense] if spec.doing else tense
        verb = "feel" if name == "fear" or felt and felt.place == "felt" else name
        return clause(subject, verb, now, spec.negation, spec.modal, spec.passive, spec.adverb, obj,
                      pronoun, dative, patient.phrase if gap else None, bool(spec.asked), rest)

    def where(self, spec, roles, rich, tense, nested, free):
        """Where it happens, where it goes, with whom -> a pair, with no words if it is not said.

        free: a place may be added where none is asked for.
        """
        how, actor, way = HOW[spec.verb], roles[spec.actor].tags, spec.way
        ways = [way for way in ("to", "from", "enter", "fall") if way in how]
        if way or spec.adjective or spec.asked == "where":
            pass
        elif ways:
            way = self.one_of(ways) if "!" in how or self.chance(0.8) else ""
        elif "!" in how or free and how & PLACED and self.chance(
                (0.22 + rich / 2) * (0.35 if spec.obj and not spec.passive else 1)):
            way = "at"
        if not way:
            return [], []
        if way == "at" and "with" in how and self.chance(0.12):
            kind, preposition = "person" if "person" in actor else "animal", "with"
            role = self.cast_one(named(lambda noun: kind in noun.tags and not (
                sensible("fear", actor, noun.tags) or sensible("fear", noun.tags, actor))))
        else:
            role = roles.get(spec.place) or self.cast_one(
                named(lambda noun: reached(noun.tags, actor, way, how)),
                singular=way in ("to", "enter"))
            preposition = role and self.balanced(reached(role.tags, actor, way, how))
        if not role:
            return [], []
        definite = spec.negation or preposition in ("near", "from", "over")
        definite = "the" if preposition == "to" else definite       # aller au village, not à ce
        owner = roles[spec.actor].phrase if preposition != "with" and (
            (spec.verb, preposition) != ("live", "near")) else None
        return prepositional(preposition, self.name(
            role, rich, tense, owner=owner, owned=0.25, definite=definite, nested=nested))

    def state(self, tense, asked, who):
        """Somebody or something is somewhere, or somehow -> (Spec, roles), or None."""
        thing = not who and asked != "why" and self.chance(0.35)
        role = who or self.cast_one(named(lambda noun: ("alive" in noun.tags) != thing), SPEAKER,
                                    0 if thing or asked else 0.25)
        negation = "not" if not asked and self.chance(0.3) else ""
        changes = tense == "future" or role.noun.speaker and tense == "past" or asked == "why"
        options = [name for name in adjectives(role.tags, True) if not changes or name in MOODS]
        if options and ("place" in role.tags or self.chance(0.7)):
            role.told = (self.balanced(options),)
            self.cast += role.told
            spec = Spec("A", "be", negation, adjective=role.told[0], asked=asked)
        elif {"place", "drink"} & role.tags or thing and changes or asked == "why":
            return None
        else:
            spec = Spec("A", "be", negation, way="at", asked=asked)
        return spec, {"A": role}

    def action(self, tense, asked, who, timed, passive):
        """Somebody does something, or it is done -> (Spec, roles), or None."""
        names = PASSIVES if passive else WHERE if asked == "where" else list(FRAME)
        if tense == "future" and not passive and not asked and self.chance(0.4):
            names = [name for name in FRAME if "will" in HOW[name]]
        name = self.least_used(names, "passive" if passive else tense)
        how, state = HOW[name], name in STATES or name == "fear"
        if tense == "future" and "unforeseen" in how:
            return None
        modal = adverb = negation = ""
        flew = (name, tense) == ("fly", "past")         # il volait; il a volé is `he stole`, too
        if self.chance(0.3 if asked in ("", "why") and (name, tense) != ("fall", "present")
                       and name != "want" else 0):      # il n'en veut pas: another grammar
            going = name in STATES or ("habit" in how or "at" in how and not transitive(name)) and (
                tense != "past" or "was" in how)
            negation = self.weighted({"not": 5, "no longer": 7 * bool(going),
                                      "never": 2.5 * (not state and not timed and not flew)})
        if passive:
            negation = "not" if negation else ""
        elif "unwilled" not in how and tense != "future" and not (
                timed or asked == "why") and self.chance(0.16):
            modal = self.balanced(["want", "can", "must"][:3 - (tense == "past") - bool(asked)])
            negation = self.one_of(("not", "no longer")[:1 + (modal != "must")]) if negation else ""
        doing = not (modal or passive or tense == "future") and negation in ("", "not") and (
            name in ING.values()) and self.chance(
                1 if timed or flew else 0.9 if asked else 0.3 if tense == "present" else 0.25)
        if not (modal or doing or passive or negation or asked or timed):
            habit = "habit" in how and (tense == "present" or tense == "past" and "was" in how)
            if habit and self.chance(0.45):             # toujours beside what lasts is `still`
                adverb = self.balanced(["often", "always"][:1 + ("to" in how or name == "speak")])
            elif "pace" in how and self.chance(0.35):
                adverb = "quickly" if tense == "future" else self.balanced(["quickly", "slowly"])
        letters = ("O", "A") if passive else ("A", "O" * transitive(name))
        spec = Spec(letters[0], name, negation, modal, doing, letters[1], "T" * (name == "give"),
                    passive=passive, adverb=adverb, asked=asked)
        self.cast += ["i", "we"] if asked else []
        share = 0 if passive and spec.to else 0.7 if asked or (
            tense == "future" and "will" in how) else 0.3
        roles = self.bind([(spec, tense)], {}, share, {"A": who} if who else ())
        return roles and (spec, roles)

    def single(self, tense, rich, asked="", who=None, timed=False, lasting=()):
        """One clause by itself -> a pair, or None.

        who: the phrase of a subject that is asked for. timed: with yesterday, now, tomorrow.
        lasting: the tenses in which only what lasts is drawn.
        """
        role = who and Role(WHO)
        kind = "verb" if asked == "where" else self.weighted(
            {"verb": 76, "be": 14, "passive": 0 if who or tense == "present" else 8})
        drawn = self.state(tense, asked, role) if kind == "be" else self.action(
            tense, asked, role, timed, kind == "passive")
        if not drawn:
            return None
        spec, roles = drawn
        if tense in lasting and not (
                spec.doing or spec.modal or spec.verb in STATES or spec.verb == "fear"):
            return None
        if "present" in lasting and (spec.modal, tense) == ("can", "past"):
            return None                                 # we think that he could: pourrait, rather
        pair = self.tell(spec, roles, tense, rich, who)
        time = TIME.get("doing" if spec.doing and tense == "present" else tense)
        if not timed or not time:
            return pair
        if self.chance(0.5) or any(role.phrase.clause for role in self.said):
            return join(small(time), small(","), pair)
        return join(pair, small(time))

    # Sentences
    def story(self, stories, rich, tense="", roles=(), reported=False):
        """One of the stories -> a pair, or None. tense: only stories with that one."""
        tense = tense or self.weighted({"past": 4, "present": 3, "future": 2})
        stories = [story for story in stories if tense in story.tenses]
        if self.focus:
            stories = [story for story in stories
                       if self.focus in [spec.verb for spec in story.specs]] or stories
        story = min([self.one_of(stories) for _ in range(2)], key=lambda story: min(
            self.used[spec.verb, "doing" if spec.doing else tense] for spec in story.specs))
        tenses = [{"<": "had" if tense == "past" else "past",
                   "=": "present" if tense == "future" and joint != "and=" else tense}.get(
                       joint[-1:], tense) for joint in ("",) + story.joints]
        roles = self.bind(list(zip(story.specs, tenses)), story.tags, 0.3, roles, not story.when)
        if not roles:
            return None
        if story.when:
            event, main = story.specs
            soon = "soon" if tense == "future" else tense
            lasts = event.doing and not event.negation and not main.doing and tense == "past"
            when = small("while" if lasts else "when")      # quand il dormait would be: whenever
            if reported or self.chance(0.45):
                main = self.tell(main, roles, tense, rich, free=False)
                return join(main, when, self.tell(event, roles, soon, rich / 2, free=False))
            event = self.tell(event, roles, soon, rich / 2, free=False)
            return join(when, event, small(","), self.tell(main, roles, tense, rich, free=False))
        pairs = [self.tell(story.specs[0], roles, tense, rich)]
        for spec, now, joint in zip(story.specs[1:], tenses[1:], story.joints):
            word, rich = joint[:-1], rich / 2
            quiet = word == "and" and len(pairs) == 1 and not reported
            pairs += [small(word)] + [small("that")] * (reported and word != "because")
            pairs.append(self.tell(spec, roles, now, rich, quiet=quiet, free=False))
        return join(*pairs)

    def report(self, rich, clauses):
        """The fox says that ..., the crow said that he was hungry."""
        verb, told = self.balanced(["say", "know", "think"]), "present"
        role = self.cast_one(named(lambda noun: "alive" in noun.tags), ("i", "we"),
                             0 if verb == "say" else 0.45)
        phrase = self.name(role, rich / 2, "present", nested=True)
        self.subject = role
        if clauses > 1:
            stories = self.one_of((STORY, [story for story in LONG_STORY if not any(
                joint[:-1] == "because" for joint in story.joints[:-1])]))
            himself = {"A": role} if verb == "say" and self.chance(0.6) else ()
            pair = self.story(stories, rich, self.one_of(("past", "past", "future")), himself, True)
        elif self.chance(0.7 if verb == "say" else 0.2):
            tense = told = self.one_of(("past", "present"))
            mood = self.one_of([mood for mood in MOODS + ("thirsty", "sly")
                                if mood not in self.cast])
            pair = self.tell(Spec("A", "be", adjective=mood), {"A": role}, tense, rich)
        elif verb != "say" and self.chance(0.5):
            told = "past"                       # he knew that she was singing: at the same time
            pair = self.single(told, rich, lasting=(told,))
        else:
            tense = self.weighted({"past": 4, "present": 2, "future": 2})
            pair = self.single(tense, rich, lasting=("present",))
        return pair and join(clause(phrase, verb, told), small("that"), pair)

    def question(self, rich):
        """Whether, who, why, where."""
        tense = self.weighted({"past": 4, "present": 3, "future": 2})
        kind = self.weighted({"whether": 5, "who": 3, "why": 2, "where": 2, "where is": 1})
        if kind == "who":
            phrase = Phrase(*small("who"), "m", False, WHO.tags)
            return self.single(tense, rich, who=phrase, lasting=("present",))
        if kind == "where is":
            role = self.cast_one(named(lambda noun: not noun.mass))
            phrase = self.name(role, rich, "present", definite=True)
            verb = leaf("are", "sont") if phrase.plural else leaf("is", "est")
            return join(small("where"), verb, (phrase.en, phrase.fr))
        pair = self.single(tense, rich, kind, lasting=("present",))
        return pair if kind == "whether" or not pair else join(small(kind), pair)

    def plan(self):
        """What the drafts of one line have in common: question or not, clauses, richness."""
        r = self.random()           # multiplied out, for pow may differ in the last bit elsewhere
        clauses = self.weighted({1: 50, 2: 33, 3: 17})
        return self.chance(0.1), clauses, r * r / clauses

    def sentence(self, plan):
        """Draw one sentence -> the finished pair, or None if nothing sensible came of it."""
        asked, clauses, rich = plan
        self.cast, self.said = [], []
        self.subject = self.object = None
        if asked:
            pair = self.question(rich)
        elif clauses == 1:
            tense = self.weighted({"past": 5, "present": 4, "future": 3.5})
            pair = self.single(tense, rich, timed=self.chance(0.08))
        elif self.chance(0.2):
            pair = self.report(rich, clauses - 1)
        else:
            pair = self.story(STORY if clauses == 2 else LONG_STORY, rich)
        return pair and finish(pair, "?" if asked else ".")


# %% 7. File
def first_words():
    """What everybody tries first: i love you, i do not love you, do you love me?"""
    for one, two in (("i", "you"), ("you", "i"), ("we", "you"), ("you", "we")):
        for negation in ("", "not"):
            yield finish(clause(speaker(one), "love", negation=negation, pronoun=speaker(two)))
        yield finish(clause(speaker(one), "love", pronoun=speaker(two), asked=True), "?")


def corpus(size=SENTENCES, seed=SEED, drafts=4):
    """The lines of the file: distinct sentences, in which no word is rarer than it has to be.

    Each line is the best of a few drafts, the one whose rarest word has been the rarest so far.
    That lifts `vues` and `vieil` from a handful of lines to a number one can learn from; the last
    lines go to forms of verbs that are rare even so. Drawing again from so many trees is a test as
    well: a sentence with two translations would stop us.
    """
    teller, frequency = Storyteller(seed), Counter()
    verb_of = {form: name for name in HOW if name in VERB for form in forms(VERB[name])}
    french, chosen = {}, {}                 # English -> French of all drafts; English -> line
    start = list(first_words())
    while len(chosen) < size:
        plan, best, rare = teller.plan(), None, []
        if len(chosen) > size - LAST:
            rare = [form for form in verb_of if 0 < frequency[form] < FEW]
        teller.focus = verb_of[teller.one_of(rare)] if rare else None
        for _ in range(1 if start else drafts):
            pair = start.pop() if start else teller.sentence(plan)
            if not pair:
                continue
            en, fr = ([word for word, _ in side] for side in pair)
            key, translation = " ".join(en), " ".join(fr)
            if french.setdefault(key, translation) != translation:
                raise ValueError(f"two translations: {key} {translation} {french[key]}")
            if key in chosen or not SHORTEST <= len(en) <= LONGEST:
                continue
            used = en + [(word,) for word in fr]            # `a` and `lion` are words of both
            rarest = min(map(frequency.__getitem__, used))
            if best is None or rarest < best[0]:
                best = rarest, key, pair, used
        if best and (not rare or best[0] < FEW):
            _, key, pair, used = best
            chosen[key] = "\t".join(columns(*pair))
            frequency.update(used)
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
