"""What lessons share stands in all of them word for word; what a lesson has not met yet stands in none of its lines.

And how a file is made: its sections, its imports, its lines, what the comments of the lesson do not speak of.
"""
import ast
import io
import re
import tokenize

import pytest

from conftest import CHAR, LANGUAGE, LESSONS, ROOT, TRANSLATION, WORD

lessons = pytest.mark.parametrize("name", LESSONS)
GATED = [name for name in LANGUAGE if not name.endswith("rnn")]

SHARED = [  # lessons, and the functions that have one text in all of them
    (LESSONS, "BadInput read_text load main"),
    (GATED + TRANSLATION, "sigmoid"),
    (WORD + TRANSLATION, "cross_entropy clip_gradients"),
    (CHAR, """encode read_data windows cross_entropy check_gradients Adam clip_gradients sample score evaluate learn
        save restore read_flags train work"""),
    (["char_lstm", "char_gru"], "properties"),
    (WORD, """tokenize detokenize build_vocab encode read_data windows dropout_mask cross_entropy sum_rows
        check_gradients Adam clip_gradients sample score evaluate learn some_words neighbours plot_words draw save
        restore read_flags train work"""),
    (TRANSLATION, """tokenize detokenize read_pairs read_data build_vocab encode_pairs pad batches weight
        sum_rows Adam beam_search translate_ids bleu evaluate learn by_length plot_learning save show train"""),
    (["bahdanau", "luong"], """spell translate measure forced_attention alignment_error read_links print_alignment
        plot_alignment draw"""),
    (["seq2seq", "bahdanau"], """gru_weight step step_backward encode_direction encode_direction_backward readout
        readout_backward gru_gradients check_gradients restore read_flags work"""),
]
# What belongs to the model has a text in each lesson. In the translation lessons that is the encoder, too.
OWN = dict.fromkeys(LANGUAGE, "init_params init_state step step_backward forward backward predict gradient_by_lag")
OWN |= dict.fromkeys(CHAR, OWN["char_rnn"] + " draw")
OWN |= dict.fromkeys(TRANSLATION, "init_params encode attend attend_backward forward backward prepare predict")
OWN |= {"luong": OWN["luong"] + """ step step_backward encode_direction encode_direction_backward readout
    check_gradients restore read_flags work"""}
OWN |= {"seq2seq": OWN["seq2seq"] + " translate measure draw"}


def source_of(name):
    return (ROOT / f"{name}.py").read_text(encoding="utf-8")


def definitions(name):
    """Top-level functions and classes of a lesson -> name: text, decorators and comments included."""
    source = source_of(name)
    lines = source.splitlines()
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found[node.name] = "\n".join(lines[first - 1:node.end_lineno])
    return found


TEXTS = {name: definitions(name) for name in LESSONS}


def test_repeats_are_identical():
    for lessons, names in SHARED:
        for name in names.split():
            assert [lesson for lesson in lessons if name not in TEXTS[lesson]] == [], name
            groups = {}
            for lesson in lessons:
                groups.setdefault(TEXTS[lesson][name], []).append(lesson)
            assert len(groups) == 1, f"{name} differs between {list(groups.values())}"


@pytest.mark.parametrize("name", LESSONS)
def test_what_several_lessons_have_is_shared_or_belongs_to_the_model(name):
    """So no copy can drift unseen. A function of one lesson alone is its own."""
    here = {function for lessons, names in SHARED if name in lessons for function in names.split()}
    level = next(level for level in (CHAR, WORD, TRANSLATION) if name in level)
    others = {function for lesson in level if lesson != name for function in TEXTS[lesson]}
    assert (set(TEXTS[name]) & others) - here - set(OWN[name].split()) == set()


def code_of(source):
    """A program without comments and docstrings, in one form."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def test_what_stands_outside_of_functions_is_identical():
    """The threads before NumPy is imported, the file's own place, and what starts main."""
    for beginning, lines in (('if __name__ == "__main__" and', 3), ("FILE = ", 1), ('if __name__ == "__main__":', 8)):
        found = {tuple(source_of(name).split("\n" + beginning)[1].split("\n")[:lines]) for name in LESSONS}
        assert len(found) == 1, beginning


def test_what_reads_characters_and_words_alike_has_the_same_code():
    for function in ("windows", "evaluate"):
        assert len({code_of(TEXTS[lesson][function]) for lesson in LANGUAGE}) == 1, function
    for function in ("Adam", "sum_rows", "clip_gradients", "cross_entropy"):
        assert len({code_of(TEXTS[lesson][function]) for lesson in WORD + TRANSLATION}) == 1, function


# %% Lessons not yet met
ATTENTION = "attention attend align"
TRANSLATING = f"{ATTENTION} beam bleu bos source reverse"
WORDS = f"{TRANSLATING} dropout mask unk eos sparse min_count rows_t embed perplexity tokenize detokenize"
LATER = {"char_rnn": f"{WORDS} sigmoid gate gates cell cells", "char_lstm": WORDS, "char_gru": f"{WORDS} cell cells",
         "word_rnn": f"{TRANSLATING} sigmoid gate gates cell cells", "word_lstm": TRANSLATING,
         "word_gru": f"{TRANSLATING} cell cells",
         "seq2seq": "attend align alignment spell links cell cells query concat",
         "bahdanau": "lstm cell cells dot concat"}


def met(name, words):
    """Those of the words that the code of a lesson has, as a name or as a part of one."""
    code = re.sub(r"<(\w+)>", r"\1", code_of(source_of(name)).lower())
    return [word for word in words.split() if re.search(rf"(?<![a-z]){word}(?![a-z])", code)]


@pytest.mark.parametrize("name", LATER)
def test_no_lesson_uses_what_only_a_later_one_explains(name):
    assert met(name, LATER[name]) == []


def test_the_words_of_a_lesson_are_found_in_it():
    assert met("word_rnn", "dropout sparse unk eos embed min_count perplexity rows_t tokenize") == [
        "dropout", "unk", "eos", "embed", "min_count", "perplexity", "rows_t", "tokenize"]
    assert met("luong", "beam bleu attention") == ["beam", "bleu", "attention"]
    assert met("char_lstm", "sigmoid cell") == ["sigmoid", "cell"]


# %% How a file is made
SECTIONS = ["1. Data", "2. Forward", "3. Backward", "4. Gradient check", "5. Optimizer", "6. Sampling", "7. Learning",
            "8. Looking inside", "9. Running"]


def rules(name):
    """The section rules of a lesson, without their mark."""
    return [line[5:] for line in source_of(name).splitlines() if line.startswith("# %% ")]


def test_the_skeleton_is_the_same():
    for name in LESSONS:
        assert [rule.replace("Translating", "Sampling") for rule in rules(name)] == SECTIONS, name


@lessons
def test_most_of_a_file_is_the_lesson(name):
    """One line says where it ends, after section 7 and after at least 60 % of the file; the header is one screen."""
    lines = source_of(name).splitlines()
    (end,) = [n for n, line in enumerate(lines) if line.startswith("# ---- ")]
    assert lines.index("# %% 7. Learning") < end < lines.index("# %% 8. Looking inside")
    assert end >= 0.6 * len(lines)
    assert len(ast.get_docstring(ast.parse(source_of(name))).splitlines()) <= 40
    assert lines.index("# %% 1. Data") < 62                 # the first idea


@lessons
def test_a_lesson_has_the_public_names(name):
    names = """init_params step step_backward predict cross_entropy forward backward check_gradients clip_gradients Adam
        evaluate learn save restore load read_flags train work main BadInput"""
    names += " pad batches prepare beam_search translate bleu" if name in TRANSLATION else " init_state sample windows"
    assert set(names.split()) - set(TEXTS[name]) == set()


def comments_of_the_lesson(name):
    """Comments and docstrings of sections 1 to 7, as one text."""
    source = source_of(name)
    lines = source.splitlines()
    first, last = lines.index("# %% 1. Data"), lines.index("# %% 8. Looking inside")
    found = [token.string for token in tokenize.generate_tokens(io.StringIO(source).readline)
             if token.type == tokenize.COMMENT and first < token.start[0] <= last]
    found += [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(source))
              if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and first < node.lineno <= last]
    return "\n".join(found)


MACHINES = re.compile(r"\b(CPUs?|GPUs?|processors?|cores?|threads?|OpenBLAS|BLAS|malloc|allocators?|page faults?|L[123]"
                      r"|SIMD|AVX|RAM|(milli|micro)seconds?|ms)\b|% of (the|a|its) (time|step|run)|% (slower|faster)")


@lessons
def test_the_lesson_does_not_speak_of_machines(name):
    found = comments_of_the_lesson(name)
    assert len(found) > 5000 and MACHINES.search(found) is None, MACHINES.search(found)
    assert MACHINES.search("kept in the cores' caches") and MACHINES.search("this saves 5 % of a step")


@pytest.mark.parametrize("name", LESSONS)
def test_lines_and_imports(name):
    source = source_of(name)
    tree = ast.parse(source)
    assert source.isascii() and "\t" not in source and source.endswith("\n") and "TODO" not in source
    assert [line for line in source.splitlines() if len(line) > 100 or line != line.rstrip()] == []
    imported = {alias.asname or alias.name.split(".")[0] for node in ast.walk(tree)
                if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert imported - used == set() and "np" in imported


def test_no_lesson_imports_another():
    for name in LESSONS:
        tree = ast.parse(source_of(name))
        roots = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import)
                 for alias in node.names}
        roots |= {node.module.split(".")[0] for node in ast.walk(tree)
                  if isinstance(node, ast.ImportFrom)}
        assert not roots & set(LESSONS) and "numpy" in roots
