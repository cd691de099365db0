"""Source is parsed, rewritten, compiled, unparsed and disassembled, with ast and dis."""

import ast
import dis
import inspect
import io
import textwrap

import pyperf


class Rename(ast.NodeTransformer):
    def visit_Name(self, node):
        return ast.copy_location(ast.Name(node.id + "_", node.ctx), node) if node.id.islower() else node


def work():
    tree = ast.parse(inspect.getsource(textwrap))
    text = ast.unparse(ast.fix_missing_locations(Rename().visit(tree)))
    out = io.StringIO()
    dis.dis(compile(text, "rewritten", "exec"), file=out, depth=1)
    return len(ast.dump(tree, indent=1)), text[-300:], len([1 for _ in ast.walk(tree)])


pyperf.Runner().bench_func("ast_rewrite", work)
