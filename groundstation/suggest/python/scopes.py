"""Which binding every name of a Python module means (language reference, 4.2 "Naming and binding").

Two modules whose syntax trees are equal but for names mean the same if each name means the same
binding in both.  So this lists all occurrences of names with their bindings, in one fixed order.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from groundstation.suggest.proposals import NotProvenError


class How(Enum):
    """How a name occurs."""

    USE = "use"
    BIND = "bind"
    FIXED = "fixed"
    """Bound in a way that others can see: parameter, import, def, class, match capture."""
    DECLARED = "declared"
    """In a global or nonlocal statement."""


class Holder(Enum):
    """What kind of scope binds names."""

    MODULE = "module"
    CLASS = "class"
    FUNCTION = "function"
    COMPREHENSION = "comprehension"


@dataclass
class Scope:
    """A scope; ``number`` counts them in order of the text, 0 is the module."""

    number: int
    kind: Holder
    node: ast.AST
    parent: Scope | None
    bound: set[str] = field(default_factory=set)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)

    def ancestors(self) -> Iterable[Scope]:
        """This scope and those around it, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def resolve(self, name: str) -> Scope:
        """The scope whose binding a name means here; the module for globals and builtins."""
        module = self
        for scope in self.ancestors():
            module = scope
            if scope.kind is Holder.CLASS and scope is not self:
                continue
            if name in scope.globals:
                break
            if name in scope.bound and name not in scope.nonlocals:
                return scope
        for scope in self.ancestors():
            module = scope
        return module

    @property
    def outermost(self) -> Scope:
        """The outermost function or comprehension that this one is or is in."""
        inside = (Holder.FUNCTION, Holder.COMPREHENSION)
        return [scope for scope in self.ancestors() if scope.kind in inside][-1]


@dataclass(frozen=True)
class Occurrence:
    """A name at a place: ``getattr(node, field)``, or its ``index``-th item."""

    node: ast.AST
    field: str
    index: int | None
    name: str
    how: How
    scope: Scope

    def put(self, name: str) -> None:
        """Writes another name there."""
        if self.index is None:
            setattr(self.node, self.field, name)
        else:
            getattr(self.node, self.field)[self.index] = name


@dataclass
class Names:
    """All scopes and occurrences of a module."""

    scopes: list[Scope] = field(default_factory=list)
    occurrences: list[Occurrence] = field(default_factory=list)

    @classmethod
    def of(cls, module: ast.Module) -> Names:
        """Walks a module.

        Raises:
            NotProvenError: it uses type parameters, whose scopes are not followed.
        """
        names = cls()
        _Walker(names, names.open(Holder.MODULE, module, None)).visit_all(module.body)
        return names

    def open(self, kind: Holder, node: ast.AST, parent: Scope | None) -> Scope:
        """A new scope."""
        scope = Scope(len(self.scopes), kind, node, parent)
        self.scopes.append(scope)
        return scope

    def note(
        self, scope: Scope, node: ast.AST, name: str, how: How, place: tuple[str, int | None]
    ) -> None:
        """Keeps an occurrence."""
        self.occurrences.append(Occurrence(node, *place, name, how, scope))
        if how in (How.BIND, How.FIXED):
            scope.bound.add(name)

    def private(self) -> dict[tuple[int, str], list[Occurrence]]:
        """Occurrences by binding, for bindings that nothing outside can name."""
        found: dict[tuple[int, str], list[Occurrence]] = {}
        public = set()
        for each in self.occurrences:
            scope = each.scope.resolve(each.name)
            key = (scope.number, each.name)
            found.setdefault(key, []).append(each)
            if (
                scope.kind not in (Holder.FUNCTION, Holder.COMPREHENSION)
                or each.how in (How.FIXED, How.DECLARED)
                or each.name.startswith("__")
            ):
                public.add(key)
        return {key: uses for key, uses in found.items() if key not in public}


class _Walker:
    """Walks one scope."""

    def __init__(self, names: Names, scope: Scope) -> None:
        self.names = names
        self.scope = scope

    def visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def visit(self, node: ast.AST) -> None:
        if getattr(node, "type_params", None) or type(node).__name__ == "TypeAlias":
            raise NotProvenError("type parameters: their scopes are not followed")
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._bind(node, node.name, How.FIXED, "name")
                self.visit_all(node.decorator_list)
                self._function(node, node.args, node.body, node.returns)
            case ast.Lambda():
                self._function(node, node.args, [node.body], None)
            case ast.ClassDef():
                self._bind(node, node.name, How.FIXED, "name")
                self.visit_all([*node.decorator_list, *node.bases, *node.keywords])
                self._inner(Holder.CLASS, node).visit_all(node.body)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                self._comprehension(node, node.generators, [node.elt])
            case ast.DictComp():
                self._comprehension(node, node.generators, [node.key, node.value])
            case ast.NamedExpr():
                self._walrus(node)
            case ast.Name():
                how = How.USE if isinstance(node.ctx, ast.Load) else How.BIND
                self._bind(node, node.id, how, "id")
            case _:
                self._statement(node)

    def _statement(self, node: ast.AST) -> None:
        match node:
            case ast.ExceptHandler(name=str(name)):
                self._bind(node, name, How.BIND, "name")
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                self._bind(node, name, How.FIXED, "name")
            case ast.MatchMapping(rest=str(name)):
                self._bind(node, name, How.FIXED, "rest")
            case ast.alias():
                if node.asname is not None:
                    self._bind(node, node.asname, How.FIXED, "asname")
                elif node.name != "*":
                    self.scope.bound.add(node.name.partition(".")[0])
                    bound = ast.Name(node.name.partition(".")[0])
                    self.names.note(self.scope, bound, bound.id, How.FIXED, ("id", None))
            case ast.Global() | ast.Nonlocal():
                declared = (
                    self.scope.globals if isinstance(node, ast.Global) else self.scope.nonlocals
                )
                declared.update(node.names)
                for k, name in enumerate(node.names):
                    self.names.note(self.scope, node, name, How.DECLARED, ("names", k))
        self.visit_all(ast.iter_child_nodes(node))

    def _bind(self, node: ast.AST, name: str, how: How, place: str) -> None:
        self.names.note(self.scope, node, name, how, (place, None))

    def _inner(self, kind: Holder, node: ast.AST) -> _Walker:
        return _Walker(self.names, self.names.open(kind, node, self.scope))

    def _function(
        self,
        node: ast.AST,
        arguments: ast.arguments,
        body: Iterable[ast.AST],
        returns: ast.expr | None,
    ) -> None:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
        self.visit_all([*arguments.defaults, *arguments.kw_defaults])
        self.visit_all([*(each.annotation for each in every), returns])
        inner = self._inner(Holder.FUNCTION, node)
        for each in every:
            inner._bind(each, each.arg, How.FIXED, "arg")
        inner.visit_all(body)

    def _comprehension(
        self, node: ast.AST, generators: list[ast.comprehension], results: list[ast.expr]
    ) -> None:
        self.visit(generators[0].iter)  # evaluated outside (language reference, 6.2.4)
        inner = self._inner(Holder.COMPREHENSION, node)
        for k, generator in enumerate(generators):
            inner.visit(generator.target)
            inner.visit_all([*([generator.iter] if k else []), *generator.ifs])
        inner.visit_all(results)

    def _walrus(self, node: ast.NamedExpr) -> None:
        """Its name is bound in the function around comprehensions (PEP 572)."""
        self.visit(node.value)
        holder = next(
            scope for scope in self.scope.ancestors() if scope.kind is not Holder.COMPREHENSION
        )
        self.names.note(self.scope, node.target, node.target.id, How.USE, ("id", None))
        holder.bound.add(node.target.id)
