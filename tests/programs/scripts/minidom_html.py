"""Documents are parsed, changed and written, with minidom, html.parser and ElementTree."""

import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from xml.dom import minidom

import pyperf

TEXT = "<root>" + "".join(f"<item n='{n}'><name>é{n}</name>&amp;</item>" for n in range(60)) + "</root>"


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(attrs)))


def work():
    document = minidom.parseString(TEXT)
    for item in document.getElementsByTagName("item"):
        item.setAttribute("seen", item.firstChild.firstChild.data)
    tags = Tags()
    tags.feed(document.toprettyxml())
    tree = ElementTree.ElementTree(ElementTree.fromstring(TEXT))
    ElementTree.indent(tree)
    return (
        tags.tags[-2:],
        ElementTree.tostring(tree.getroot())[-200:],
        len(tree.findall("./item[@n='5']/name")),
    )


pyperf.Runner().bench_func("minidom_html", work)
