import re

from hookbus.worker.console import templates


def test_tables_that_may_be_wider_than_the_screen_have_the_name_of_their_heading_each():
    for file in templates.FOLDER.glob("*.html"):
        text = file.read_text()
        names = [name.strip('"') for name in re.findall(r"call scroll\((.*)\)", text)]
        headings = [re.sub(r"^\{\{ (.*) \}\}$", r"\1", each) for each in re.findall(r"<h2[^>]*>(.*?)</h2>", text)]
        assert len(set(names)) == len(names), file
        assert {*names} <= {*headings} | {each.strip('"') for each in headings}, file
        assert 'class="scroll"' not in text or file.name == "macros.html", file
