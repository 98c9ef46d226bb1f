import re

from flight_assets.core.questions import QUESTIONS
from flight_assets.settings import PROJECT_ROOT

DBT = PROJECT_ROOT / "dbt_project"


def test_python_and_sql_name_the_same_questions_in_one_order():
    macro = (DBT / "macros" / "questions.sql").read_text()
    listed = re.search(r"macro question_models\(\).*?endmacro", macro, re.DOTALL)
    assert listed is not None
    assert re.findall(r'"(\w+)"', listed[0]) == list(QUESTIONS)


def test_every_question_has_its_model_and_title():
    assert all((DBT / "models" / "gold" / f"{name}.sql").is_file() for name in QUESTIONS)
    assert all(question.title for question in QUESTIONS.values())
    assert len(QUESTIONS) == 10
