import Link from "next/link"

export default function NotFound() {
  return (
    <section className="message">
      <h1>This page is not here.</h1>
      <p>The product may have been renamed or is no longer sold.</p>
      <Link href="/" className="button">
        All products
      </Link>
    </section>
  )
}
