// Rows of an SQLite database as documents, one per row of a query, through a field map. The database is
// opened for reading only, and the query must be one statement that only reads. All rows are held in
// memory. For the command line alone: over HTTP it would read the server's files.

import GRDB
package import JSON

package enum DatabaseRows {
  /// What the rows of one query are read from: another query's rows are others.
  package static func source(path: String, query: String) -> String {
    "sqlite:\(path)?\(SHA256.digest(query.utf8).hexadecimal)"
  }

  /// Blocks until all rows are read.
  /// - Parameters:
  ///   - id: what the documents' ids begin with, unless the map names a column for them
  package static func documents(
    path: String, query: String, fields: FieldMap, id: String, metadata: JSONObject = [:]
  ) throws(DocumentError) -> [DocumentInput] {
    var configuration = Configuration()
    configuration.readonly = true
    let source = DocumentSource(bytes: [], id: id, metadata: metadata)
    do {
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      defer { try? queue.close() }
      return try queue.read { database in
        let statement = try database.makeStatement(sql: query)
        guard statement.isReadonly, statement.columnCount > 0 else {
          throw DocumentError.invalidRequest(
            field: "query", message: "only a statement that reads rows is run")
        }
        var documents: [DocumentInput] = []
        let rows = try Row.fetchCursor(statement)
        while let row = try rows.next() {
          documents.append(
            try fields.document(from: record(row), index: documents.count, source))
        }
        return documents
      }
    } catch let error as DocumentError {
      throw error
    } catch let error as DatabaseError {
      throw .invalidRequest(
        field: "query", message: "\(path): \(error.message ?? "\(error.resultCode)")")
    } catch {
      throw .invalidRequest(field: "query", message: "\(path): \(error)")
    }
  }

  /// Columns by name; blobs are left out, because they hold no text.
  private static func record(_ row: Row) -> JSONObject {
    var record: JSONObject = [:]
    for (name, value) in row {
      switch value.storage {
      case .null: record[name] = .null
      case .int64(let number): record[name] = .integer(number)
      case .double(let number): record[name] = number.isFinite ? .double(number) : .null
      case .string(let string): record[name] = .string(string)
      case .blob: break
      }
    }
    return record
  }
}
